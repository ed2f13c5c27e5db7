package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

func inventoryCommand(d *device) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "Say which stages and layers of images the device has, for an export on another one",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := transfer.TakeInventory(cmd.Context(), docker.Client{}, d.dir)
			if errors.Is(err, docker.ErrNone) {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: no images are listed: %v\n", err)
				err = nil
			}
			if err != nil {
				return explain(err)
			}
			return writeOut(cmd, out, v)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`file` to write to (default: stdout)")
	return cmd
}

// writeOut writes a value as JSON to a file, which is replaced, or to stdout.
func writeOut(cmd *cobra.Command, name string, v any) error {
	if name == "" {
		return cli.JSON(cmd.OutOrStdout(), v)
	}
	return atomicfile.Replace(cmd.Context(), name, func(f *os.File) error { return cli.JSON(f, v) })
}

// exporting is how a stage is exported.
type exporting struct {
	inventory string
	compress  string
	noSpace   bool
	json      bool
}

func exportCommand(d *device) *cobra.Command {
	e := &exporting{}
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
				return d.completeStages(cmd, nil, word)
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := stages.CurrentName
			if len(args) > 1 {
				name = args[1]
			}
			n, err := d.load(cmd).Staged.Resolve(name)
			if err != nil {
				return err
			}
			return e.do(cmd, d, n, args[0])
		},
	}
	cmd.Flags().StringVar(&e.inventory, "for", "", "`inventory` of the device that the file is for")
	cmd.Flags().StringVar(&e.compress, "compress", "zstd", "`how` layers are compressed: zstd or none")
	cmd.Flags().BoolVar(&e.noSpace, "no-space-check", false, "begin to write even if there seems to be too little space")
	cmd.Flags().BoolVar(&e.json, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions([]string{"zstd", "none"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (e *exporting) do(cmd *cobra.Command, d *device, stage int, file string) error {
	if e.compress != "zstd" && e.compress != "none" {
		return fmt.Errorf("%w: --compress %q is neither zstd nor none", cli.ErrUsage, e.compress)
	}
	shown := &transferFace{w: cmd.ErrOrStderr()}
	x := transfer.Exporter{
		Docker: docker.Client{}, Store: d.dir, Compress: e.compress == "zstd", Space: transfer.Statfs, Say: shown.event,
	}
	if e.noSpace {
		x.Space = nil
	}
	if e.inventory != "" {
		data, err := os.ReadFile(e.inventory)
		if err != nil {
			return err
		}
		v, err := transfer.ParseInventory(data)
		if err != nil {
			return fmt.Errorf("%s: %w", e.inventory, err)
		}
		x.For = &v
	}
	out, err := x.Export(cmd.Context(), stage, file)
	shown.close()
	if err != nil {
		return err
	}
	return e.say(cmd, out)
}

func (e *exporting) say(cmd *cobra.Command, out transfer.Exported) error {
	if e.json {
		return cli.JSON(cmd.OutOrStdout(), out)
	}
	err := say(cmd, "stage %d is in %s: %s, %d images with %d layers", out.Stage, out.File, humanize.Bytes(uint64(out.Size)),
		len(out.Images), out.Layers+out.LeftOut)
	if out.LeftOut > 0 {
		err = errors.Join(err, say(cmd, ", %d of which the other device has", out.LeftOut))
	}
	if out.There != 0 {
		err = errors.Join(err, say(cmd, "\nthe other device has the bundle already, as stage %d", out.There))
	}
	return errors.Join(err, say(cmd, "\nthere: pkctl stage import %s\n", out.File))
}

// transferFace shows what is done: each thing as a line, on a terminal how far it is in a line that is rewritten.
type transferFace struct {
	w    io.Writer
	last string
	live bool
}

func (f *transferFace) event(e transfer.Event) {
	switch {
	case isTerminal(f.w) && e.Total > 0:
		fmt.Fprintf(f.w, "\r\x1b[K%s: %d%%", e.Text, 100*e.Done/e.Total)
		f.live = true
	case e.Text != f.last:
		f.close()
		fmt.Fprintln(f.w, e.Text)
	}
	f.last = e.Text
}

func (f *transferFace) close() {
	if f.live {
		fmt.Fprintln(f.w)
	}
	f.live = false
}
