package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/pallets"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// applyFlags are the flags of the command that applies the stage of this boot.
type applyFlags struct {
	*flags
	bundle  string
	checks  []string
	pull    bool
	options apply.Options
}

func applyCommand(f *flags) *cobra.Command {
	a := &applyFlags{flags: f}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Start the containers of the running stage, check the health of the device, and record the verdict",
		Long: "Start the containers of the stage that this boot has chosen, remove those of other stages, wait until all are\n" +
			"healthy and the boot is complete, run the checks, and record the verdict. A unit does so at every boot. Repeated,\n" +
			"it changes only what is not as it should be. The exit code is 1 if the stage is not good.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&a.pull, "pull", false, "pull images that are not on the device")
	flags.BoolVar(&a.options.Reboot, "reboot", false, "after a bad verdict, reboot if that leads to another stage")
	flags.DurationVar(&a.options.Timeout, "timeout", 10*time.Minute, "time after which the verdict is bad")
	flags.DurationVar(&a.options.CheckLimit, "check-timeout", apply.CheckLimit, "time limit of one check")
	flags.StringVar(&a.bundle, "bundle", overlays.CurrentStage, "`directory` that shows the running stage")
	flags.StringSliceVar(&a.checks, "checks", apply.CheckDirs(), "`directories` of checks")
	f.addApplied(cmd)
	return cmd
}

func (a *applyFlags) run(cmd *cobra.Command) error {
	dev := a.device(cmd)
	started, err := dev.BootReport()
	if err != nil {
		return err
	}
	log := func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
	docker := apply.CLI{}
	d := apply.Device{
		Docker: docker, System: apply.Systemd{Stage: started.Choice.Stage}, Store: apply.Dir(dev.Store),
		StageDirs: []string{a.bundle, dev.Store, stages.Dir}, Bundle: a.bundle, Checks: a.checks, Suspect: dev.SuspectOverrides, Now: time.Now, Log: log,
	}
	limited, cancel := context.WithTimeout(cmd.Context(), a.options.Timeout)
	err = dev.Purge(limited, func(apps []string, all bool) error {
		if err := d.Purge(limited, apps); err != nil || !all {
			return err
		}
		return docker.RemoveAll(limited)
	})
	if err != nil {
		log(fmt.Sprintf("problem: the containers of the reset were not removed: %v", err))
	}
	if stage := started.Choice.Stage; stage != 0 {
		if err := a.prepareImages(limited, dev, stage); err != nil {
			log(fmt.Sprintf("problem: %v", err))
		}
	}
	cancel()
	r, err := d.Apply(cmd.Context(), started, a.options)
	if err := errors.Join(err, r.Write(dev.Applied)); err != nil {
		return err
	}
	sets := &bootSets{dir: "/" + boot.Firmware, lock: bootLock}
	sets.judge(cmd.Context(), r, a.options.Reboot, d.System.Reboot, log)
	if r.Result == stages.Good && !started.Choice.Requested {
		if err := dev.RecordGood(cmd.Context()); err != nil {
			log(fmt.Sprintf("problem: the overrides of this boot were not recorded as good: %v", err))
		}
		a.tidy(cmd.Context(), dev, log)
	}
	err = cli.Print(cmd, r, func(io.Writer) error { return nil })
	if err == nil && r.Result == stages.Failed {
		return cli.ErrReported
	}
	return err
}

// prepareImages pins the images of a stage that has no pins, and pulls missing ones if the user asked for that.
func (a *applyFlags) prepareImages(ctx context.Context, dev device.Device, stage int) error {
	if a.pull {
		return dev.FetchImages(ctx, stage)
	}
	err := dev.PinImages(ctx, stage)
	if errors.Is(err, docker.ErrNoImage) || errors.Is(err, docker.ErrUnavailable) {
		return nil // a reason of the verdict
	}
	return err
}

// tidy deletes what the device needs no more after a good verdict. What fails is only logged.
func (a *applyFlags) tidy(ctx context.Context, dev device.Device, log func(line string)) {
	tidied, err := dev.Tidy(ctx, transfer.Statfs, pallets.Caches())
	if err != nil {
		log(fmt.Sprintf("problem: keep space free: %v", err))
	}
	if text := tidied.String(); text != "" {
		log(text)
	}
}
