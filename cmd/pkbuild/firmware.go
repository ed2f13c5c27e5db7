package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/layers/firmware"
)

func firmwareCommand() *cobra.Command {
	var boards []string
	var state firmware.State
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "firmware IMAGE",
		Short: "Print what the firmware of each board loads from an image",
		Long: "Print what the firmware of each Raspberry Pi loads from an image: kernel, initramfs, device tree, overlays and command\n" +
			"line, or why the board does not start. Nothing is run: the files are read as the firmware's documentation describes.\n" +
			"The exit code is 1 if one of the boards of --board does not start; with --board all, one for which the image was built.",
		Example: "  pkbuild firmware out/planktoscope.img\n" +
			"  pkbuild firmware --board all --json out/planktoscope.img\n" +
			"  pkbuild firmware --board pi4,cm4 --tryboot out/planktoscope.img",
		Args: cli.Exactly("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			choices, failed, err := readFirmware(cmd.Context(), args[0], boards, state)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, choices)
			} else {
				p := &printer{w: cmd.OutOrStdout()}
				for _, c := range choices {
					p.choice(c)
				}
				err = p.err
			}
			if err == nil && failed {
				err = cli.ErrReported
			}
			return err
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"img"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&boards, "board", nil, "`models`: all, or some of "+strings.Join(firmware.Names(), ", ")+" (default: those for which the image was built)")
	f.BoolVar(&state.Tryboot, "tryboot", false, "the tryboot flag is set, as by: reboot \"0 tryboot\"")
	f.IntVar(&state.Partition, "partition", 0, "the `number` of a partition that was asked for, as by: reboot 2")
	f.StringVar(&state.Stepping, "stepping", "", "the `stepping` of a Pi 5's processor: C1 or D0")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	_ = cmd.RegisterFlagCompletionFunc("board", cobra.FixedCompletions(append([]string{"all"}, firmware.Names()...), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// readFirmware returns the choices of boards for an image, and whether one fails that must not.
func readFirmware(ctx context.Context, image string, names []string, s firmware.State) (choices []firmware.Choice, failed bool, err error) {
	if s.Stepping != "" && s.Stepping != "C1" && s.Stepping != "D0" {
		return nil, false, fmt.Errorf("%w: --stepping is %q, want C1 or D0", cli.ErrUsage, s.Stepping)
	}
	card, err := firmware.OpenCard(ctx, image)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, card.Close()) }()
	wanted := firmware.Wanted(bootFiles(card))
	boards := wanted
	switch {
	case slices.Equal(names, []string{"all"}):
		boards = firmware.Boards()
	case len(names) > 0:
		boards = nil
		for _, name := range names {
			b, err := firmware.Named(name)
			if err != nil {
				return nil, false, fmt.Errorf("%w: --board: %w", cli.ErrUsage, err)
			}
			boards = append(boards, b)
		}
		wanted = boards
	}
	for _, b := range boards {
		c := firmware.ChooseFromCard(card.Partitions, b, s)
		choices = append(choices, c)
		must := slices.ContainsFunc(wanted, func(w firmware.Board) bool { return w.Name == b.Name })
		failed = failed || must && c.Problem != ""
	}
	return choices, failed, nil
}

// bootFiles returns the files of the first partition with FAT; none if there is no such partition.
func bootFiles(card *firmware.Card) fs.FS {
	for _, p := range card.Partitions {
		if p.FAT != 0 {
			return p.Files
		}
	}
	return noFiles{}
}

type noFiles struct{}

func (noFiles) Open(string) (fs.File, error) { return nil, fs.ErrNotExist }

// choice prints what a board loads.
func (p *printer) choice(c firmware.Choice) {
	b, _ := firmware.Named(c.Board) // a board of the table
	if c.Problem != "" {
		p.line("%s (%s): %s: %s", c.Board, b.Model, c.Outcome, c.Problem)
	} else {
		p.line("%s (%s) starts %s in %d-bit mode", c.Board, b.Model, c.Kernel, c.Bits)
		p.field("partition", fmt.Sprint(c.Partition))
		p.field("os_prefix", c.Prefix)
		p.field("initramfs", strings.Join(c.Initramfs, ", "))
		p.field("device tree", c.DeviceTree)
		p.field("parameters", strings.Join(c.Parameters, ", "))
		for _, o := range c.Overlays {
			p.field("overlay", strings.Join(append([]string{o.File}, o.Parameters...), ", "))
		}
		p.field("command line", c.Cmdline)
	}
	for _, w := range c.Warnings {
		p.field("warning", w)
	}
}

// field prints a field of a board that has a value.
func (p *printer) field(name, value string) {
	if value != "" {
		p.line("  %-13s %s", name+":", value)
	}
}
