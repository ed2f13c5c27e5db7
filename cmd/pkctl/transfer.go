package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/output"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

func inventoryCommand(f *flags) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "Print which stages and image layers the device has, as JSON, for an export on another device",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := output.Resolve(name)
			if err == nil {
				err = to.RefuseCompressed()
			}
			if err != nil {
				return fmt.Errorf("%w: %w", cli.ErrUsage, err)
			}
			v, err := f.device(cmd).Inventory(cmd.Context())
			if err != nil {
				return err
			}
			if name == output.Stdout {
				return cli.JSON(cmd.OutOrStdout(), v)
			}
			if err := to.Write(cmd.Context(), func(f *os.File) error { return cli.JSON(f, v) }); err != nil || to.IsStdout() {
				return err
			}
			return cli.Silent(cmd, map[string]string{"file": name})
		},
	}
	cmd.Flags().StringVarP(&name, "output", "o", output.Stdout, "`file` to write to, or - for stdout")
	return cmd
}

func exportCommand(f *flags) *cobra.Command {
	var e device.Export
	var compress string
	cmd := &cobra.Command{
		Use:   "export FILE [STAGE]",
		Short: "Write a stage and its container images to a file, for a device without a network",
		Long: "Write a stage, by default the current one, and its container images to a file, for a device without a network.\n" +
			"With the inventory of that device (pkctl stage inventory) only those layers are written that it lacks.",
		Example: "  pkctl stage export /media/stick/stage.tar\n" +
			"  pkctl stage export /media/stick/stage.tar 7 --for /media/stick/inventory.json",
		Args: cli.Optional("FILE", "STAGE"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return f.completeStages(cmd, nil, word)
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if compress != "zstd" && compress != "none" {
				return fmt.Errorf("%w: --compress %q is neither zstd nor none", cli.ErrUsage, compress)
			}
			e.File, e.Stage, e.Compress = args[0], stages.CurrentName, compress == "zstd"
			if len(args) > 1 {
				e.Stage = args[1]
			}
			x, err := f.device(cmd).Export(cmd.Context(), e)
			if err != nil {
				return err
			}
			return cli.Print(cmd, x, func(w io.Writer) error { return printExported(w, x) })
		},
	}
	cmd.Flags().StringVar(&e.Inventory, "for", "", "`inventory` of the device that the file is for")
	cmd.Flags().StringVar(&compress, "compress", "zstd", "`compression` of layers: zstd or none")
	cmd.Flags().BoolVar(&e.NoSpace, "no-space-check", false, "start writing even if there seems to be too little space")
	_ = cmd.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions([]string{"zstd", "none"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func printExported(w io.Writer, x transfer.Exported) error {
	text := fmt.Sprintf("stage %d is in %s: %s, %d images with %d layers", x.Stage, x.File, humanize.Bytes(uint64(x.Size)),
		len(x.Images), x.Layers+x.LeftOut)
	if x.LeftOut > 0 {
		text += fmt.Sprintf(", %d of which the other device has", x.LeftOut)
	}
	if x.There != 0 {
		text += fmt.Sprintf("\nthe other device has the bundle already, as stage %d", x.There)
	}
	return lines(w, text, "on the other device: pkctl stage import "+x.File)
}

func importCommand(f *flags) *cobra.Command {
	var next bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Add the stage in a file that another device exported, with its container images",
		Long: "Add the stage in a file that another device exported, with its container images. The file is verified completely\n" +
			"before anything changes. This finds damage; it does not tell who made the file, and root runs what is in it.",
		Args: cli.Exactly("FILE"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := f.device(cmd).Import(cmd.Context(), args[0], next)
			if err != nil {
				return err
			}
			return cli.Print(cmd, i, func(w io.Writer) error { return printImported(w, i) })
		},
	}
	cmd.Flags().BoolVar(&next, "next", false, "make it the stage to start with at the next boot")
	return cmd
}

func printImported(w io.Writer, i device.Imported) error {
	what := map[bool]string{false: "was imported", true: "was on the device already"}[i.There]
	then := fmt.Sprintf("to start it: pkctl stage set-next %d, then reboot", i.Stage)
	if i.Next {
		then = fmt.Sprintf("stage %d is next: reboot to start it", i.Stage)
	}
	return errors.Join(lines(w, fmt.Sprintf("stage %d %s, %d images were loaded", i.Stage, what, len(i.Images)), then))
}

func linkCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "link-images",
		Short: "Tell Docker the digests of imported images; a unit does so before Docker starts",
		Long: "Tell Docker the digests of imported images. `docker load` takes no digests, and a running Docker learns them only\n" +
			"by pulling: a unit enters them at every boot, before Docker starts.",
		Hidden: true,
		Args:   cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := f.device(cmd).LinkImages()
			if err != nil {
				return err
			}
			return cli.Print(cmd, map[string]int{"linked": n}, func(w io.Writer) error {
				if n == 0 {
					return nil
				}
				return lines(w, fmt.Sprintf("entered the digests of %d images", n))
			})
		},
	}
}
