package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
)

// factory is the name of the stage that a device comes with.
const factory = "factory-reset"

func resetCommand() *cobra.Command {
	d := &device{}
	var to string
	var r override.Reset
	var cancel bool
	cmd := &cobra.Command{
		Use:   "reset [--to STAGE]",
		Short: "Go back to a stage at the next boot, and give up changes and containers with their data",
		Long: "Go back to a stage at the next boot. With --overrides everything that was changed in /etc and /usr is given up,\n" +
			"accounts, passwords and keys of SSH included; with --containers all containers, networks and volumes of stages,\n" +
			"with the data in them. Files elsewhere, as in /home, stay, and so do images and what the user started himself.\n" +
			"Until then nothing changes, and --cancel takes it back. A power cut in between does no harm: what is not done yet\n" +
			"is done by the boot after that.",
		Example: "  pkctl reset --overrides --containers\n  pkctl reset --to 7",
		Args:    cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cancel {
				return explain(d.cancelReset(cmd))
			}
			return explain(d.queueReset(cmd, to, r))
		},
	}
	d.addStore(cmd)
	d.addState(cmd)
	cmd.Flags().StringVar(&to, "to", factory, "`stage` to start with")
	cmd.Flags().BoolVar(&r.Overrides, "overrides", false, "give up what was changed in /etc and /usr")
	cmd.Flags().BoolVar(&r.Containers, "containers", false, "give up containers, networks and volumes of stages")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "reset nothing at the next boot")
	for _, other := range []string{"to", "overrides", "containers"} {
		cmd.MarkFlagsMutuallyExclusive("cancel", other)
	}
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("to", d.completeStages))
	return cmd
}

func (d *device) queueReset(cmd *cobra.Command, to string, r override.Reset) (err error) {
	if r.Stage, err = d.load(cmd).Staged.Resolve(to); err != nil {
		return err
	}
	if err := stages.CheckBundle(os.DirFS(d.dir), r.Stage); err != nil {
		return fmt.Errorf("stage %d cannot be reset to: %w", r.Stage, err)
	}
	data, err := r.Marshal()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(d.state, override.ResetFile), data, 0o644); err != nil {
		return err
	}
	return say(cmd, "at the next boot: %s; reboot, or take it back with pkctl reset --cancel\n", describeReset(r))
}

// cancelReset takes a reset back, also one that cannot be read.
func (d *device) cancelReset(cmd *cobra.Command) error {
	err := os.Remove(filepath.Join(d.state, override.ResetFile))
	if errors.Is(err, fs.ErrNotExist) {
		return say(cmd, "no reset is queued\n")
	}
	if err != nil {
		return err
	}
	return say(cmd, "nothing is reset at the next boot\n")
}

// reset is what is queued; the zero value if nothing is.
func (d *device) reset() (override.Reset, error) {
	data, err := os.ReadFile(filepath.Join(d.state, override.ResetFile))
	if errors.Is(err, fs.ErrNotExist) {
		return override.Reset{}, nil
	}
	if err != nil {
		return override.Reset{}, err
	}
	return override.ParseReset(data)
}

// describeReset says what a reset does; "" for one that does nothing.
func describeReset(r override.Reset) string {
	var what []string
	if r.Stage != 0 {
		what = append(what, "start with "+stages.Name(r.Stage))
	}
	if r.Overrides {
		what = append(what, "give up all changes in /etc and /usr")
	}
	if r.Containers {
		what = append(what, "remove containers and volumes of stages")
	}
	return strings.Join(what, ", ")
}
