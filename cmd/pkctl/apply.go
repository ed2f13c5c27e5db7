package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/apply"
)

// applier is the command that applies the stage of this boot.
type applier struct {
	*device
	bundle  string
	checks  []string
	pull    bool
	asJSON  bool
	options apply.Options
}

func applyCommand(d *device) *cobra.Command {
	a := &applier{device: d}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Start the containers of the running stage, look whether the device is well, and record the verdict",
		Long: "Start the containers of the stage that this boot has chosen, remove those of other stages, wait until all are\n" +
			"healthy and the boot is complete, run the checks, and record the verdict. A unit does so at every boot. Done\n" +
			"again it changes only what is not as it should be. The exit code is 1 if the stage is not good.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&a.pull, "pull", false, "pull images that are not on the device")
	flags.BoolVar(&a.options.Reboot, "reboot", false, "after a bad verdict, reboot if that leads to another stage")
	flags.DurationVar(&a.options.Timeout, "timeout", 10*time.Minute, "how long it may take before the verdict is bad")
	flags.DurationVar(&a.options.CheckLimit, "check-timeout", apply.CheckLimit, "how long one check may take")
	flags.StringVar(&a.bundle, "bundle", overlays.CurrentStage, "`directory` that shows the running stage")
	flags.StringSliceVar(&a.checks, "checks", apply.CheckDirs(), "`directories` of checks")
	flags.BoolVar(&a.asJSON, "json", false, "print JSON")
	d.addApplied(cmd)
	return cmd
}

func (a *applier) run(cmd *cobra.Command) error {
	boot, err := a.report()
	if err != nil {
		return err
	}
	say := func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
	d := apply.Device{
		Docker: apply.CLI{Pull: a.pull}, System: apply.Systemd{Stage: boot.Choice.Stage}, Store: apply.Dir(a.dir),
		Homes: []string{a.bundle, a.dir, stages.Dir}, Bundle: a.bundle, Checks: a.checks, Now: time.Now, Say: say,
	}
	if err := a.purge(cmd.Context(), d); err != nil {
		say(fmt.Sprintf("problem: the reset is not done: %v", err))
	}
	r, err := d.Apply(cmd.Context(), boot, a.options)
	if err := errors.Join(err, a.setApplied(r)); err != nil {
		return explain(err)
	}
	if a.asJSON {
		err = cli.JSON(cmd.OutOrStdout(), r)
	}
	if err == nil && r.Result == stages.Failed {
		return cli.ErrReported
	}
	return err
}

// purge does what a reset left to be done with Docker. The queued reset goes last: until then it is done again.
func (a *applier) purge(ctx context.Context, d apply.Device) error {
	reset, err := a.reset()
	if err != nil || !reset.Containers || reset.Stage != 0 {
		return err // nothing is queued, or it is pkinit's at the next boot
	}
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	if err := d.Purge(ctx, a.apps(ctx)); err != nil {
		return err
	}
	return os.Remove(filepath.Join(a.state, override.ResetFile))
}

// apps are the Compose apps of all stages that can be read.
func (a *applier) apps(ctx context.Context) []string {
	numbers, _ := a.bundles()
	var names []string
	for _, n := range numbers {
		apps, _ := apply.Apps(ctx, filepath.Join(a.dir, fmt.Sprint(n)))
		for _, app := range apps {
			names = append(names, app.Project)
		}
	}
	return names
}

func (d *device) addApplied(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.applied, "apply-report", apply.ReportPath, "`file` that says how the stage of this boot was applied")
}

// setApplied keeps what became of it, for whoever asks for the status.
func (d *device) setApplied(r *apply.Report) error {
	data, err := r.Marshal()
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(d.applied), 0o755), atomicfile.Write(d.applied, data, 0o644))
}

// application is how the stage of this boot was applied; nil if it was not.
func (d *device) application() (*apply.Report, error) {
	data, err := os.ReadFile(d.applied)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := apply.ParseReport(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.applied, err)
	}
	return &r, nil
}
