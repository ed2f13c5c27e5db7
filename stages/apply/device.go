package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Device is the running system on which Apply starts apps and records verdicts: Docker, systemd, the stage store and
// directories.
type Device struct {
	Docker    Docker
	System    System
	Store     Store
	StageDirs []string      // directories of stages: see Converger
	Bundle    string        // directory of the bundle of this boot's stage
	Checks    []string      // directories of checks
	Suspect   func() string // returns a further reason of a bad verdict, such as changes of the user; nil, "": none
	Now       func() time.Time
	Log       func(line string) // receives progress, for people
}

// Store is the interface to the stage store that Apply uses; Dir implements it.
type Store interface {
	// Judge records a verdict.
	Judge(ctx context.Context, stage int, result stages.Result, at time.Time, reasons []string) error
	// Select returns the stage that the next boot would start.
	Select() (stages.Choice, error)
}

// Options are the time limits of Apply, and whether it reboots after a failed verdict. The zero value is usable.
type Options struct {
	Timeout    time.Duration // of Apply; 0 is 10 minutes
	CheckLimit time.Duration // of each check; 0 is CheckLimit
	Reboot     bool          // reboot after a bad verdict if the next boot would start another stage
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.CheckLimit == 0 {
		o.CheckLimit = CheckLimit
	}
	return o
}

// ErrInterrupted is returned by Apply if it was canceled, or the system is shutting down: there is no verdict.
var ErrInterrupted = errors.New("apply was interrupted before a verdict")

// Apply starts the apps of the stage of this boot, checks the health of the device, and durably records a verdict on
// the stage: good or failed. A failed verdict is not an error; it is in the report, which is returned with an error,
// too. If the boot has no stage, Apply removes the apps of all stages and records no verdict. It records none either
// for a boot that a person requested, and if it is interrupted, with ErrInterrupted.
func (d Device) Apply(ctx context.Context, boot report.Boot, o Options) (*Report, error) {
	o = o.withDefaults()
	r := &Report{
		Version: reportVersion, Stage: boot.Choice.Stage, Result: stages.Pending, Started: stamp(d.Now()),
		Reasons: []string{}, Apps: []Outcome{}, Checks: []Check{},
	}
	timeout := fmt.Errorf("timed out after %s", o.Timeout)
	limited, cancel := context.WithTimeoutCause(ctx, o.Timeout, timeout)
	defer cancel()
	reasons, err := d.inspect(limited, r, o)
	bad := err != nil || len(reasons) > 0
	if ctx.Err() != nil || bad && d.System.Stopping(context.WithoutCancel(ctx)) {
		return r, ErrInterrupted
	}
	if err != nil {
		reasons = append(reasons, err.Error())
	}
	if len(reasons) > 0 && errors.Is(context.Cause(limited), timeout) {
		reasons = append(reasons, fmt.Sprintf("applying the stage %s", timeout))
	}
	if len(reasons) > 0 && d.Suspect != nil {
		if reason := d.Suspect(); reason != "" {
			reasons = append(reasons[:min(len(reasons), maxReasons-1)], reason)
		}
	}
	r.close(d.Now(), reasons)
	return r, d.recordVerdict(context.WithoutCancel(ctx), boot, r, o)
}

// inspect starts the apps and returns why the stage is bad. If an app fails, the health checks are left out.
func (d Device) inspect(ctx context.Context, r *Report, o Options) (reasons []string, err error) {
	var apps []App
	if r.Stage != 0 {
		if apps, err = Apps(ctx, d.Bundle); err != nil {
			return nil, err
		}
	}
	outcomes, err := d.converger().Converge(ctx, apps)
	r.Apps = append(r.Apps, outcomes...)
	for _, o := range outcomes {
		if o.State == Failed {
			reasons = append(reasons, o.String())
		}
	}
	if err != nil || len(reasons) > 0 {
		return reasons, err
	}
	return d.health(ctx, r, apps, o)
}

// health waits until the boot is complete, runs the checks, and then inspects units and containers, since some fail late.
func (d Device) health(ctx context.Context, r *Report, apps []App, o Options) (reasons []string, err error) {
	if err := d.System.WaitComplete(ctx); err != nil {
		return nil, fmt.Errorf("the boot is not complete: %w", err)
	}
	programs, err := Checks(d.Checks...)
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		c := check(ctx, d.System, p, o.CheckLimit)
		r.Checks = append(r.Checks, c)
		d.Log(c.String())
		if c.Error != "" {
			reasons = append(reasons, c.String())
		}
	}
	units, err := d.System.FailedUnits(ctx)
	reasons = append(reasons, units...)
	if err != nil || len(apps) == 0 {
		return reasons, err
	}
	all, err := d.Docker.Containers(ctx)
	return append(reasons, unhealthy(all, projects(apps)...)...), err
}

func projects(apps []App) []string {
	var out []string
	for _, a := range apps {
		out = append(out, a.Project)
	}
	return out
}

// recordVerdict records the verdict. After a bad one on an unproven stage the device reboots if the next boot starts another
// stage, so never twice for one reason. A proven stage keeps running, since no other one is better.
func (d Device) recordVerdict(ctx context.Context, boot report.Boot, r *Report, o Options) error {
	if r.Stage == 0 {
		d.Log("no stage is running: no verdict is recorded")
		return nil
	}
	if boot.Choice.Requested {
		d.Log(fmt.Sprintf("stage %d: %s; no verdict is recorded, since a person asked for this boot", r.Stage, r.Result))
		return nil
	}
	if err := d.Store.Judge(ctx, r.Stage, r.Result, d.Now(), r.Reasons); err != nil {
		return fmt.Errorf("record the verdict on stage %d (%s): %w", r.Stage, r.Result, err)
	}
	d.Log(fmt.Sprintf("stage %d: %s", r.Stage, r.Result))
	for _, reason := range r.Reasons {
		d.Log("reason: " + reason)
	}
	choice, err := d.Store.Select()
	if err != nil {
		d.Log("warning: " + err.Error())
	}
	r.Next = choice.Stage
	if r.Result == stages.Good || boot.Choice.Attempt == 0 || choice.Stage == r.Stage {
		return nil
	}
	if !o.Reboot {
		d.Log(fmt.Sprintf("reboot to start %s", stages.Name(choice.Stage)))
		return nil
	}
	r.Reboot = true
	d.Log(fmt.Sprintf("rebooting to start %s", stages.Name(choice.Stage)))
	return d.System.Reboot(ctx)
}

// Purge removes the containers, networks and volumes of stages' apps from the device; see Converger.Purge.
func (d Device) Purge(ctx context.Context, names []string) error {
	return d.converger().Purge(ctx, names)
}

func (d Device) converger() Converger {
	return Converger{Docker: d.Docker, StageDirs: d.StageDirs, Report: func(o Outcome) { d.Log(o.String()) }}
}
