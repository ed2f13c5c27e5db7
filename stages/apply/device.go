package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Device is where a stage is applied.
type Device struct {
	Docker Docker
	System System
	Store  Store
	Homes  []string // directories in which stages lie, the chosen one's first
	Bundle string   // directory of the chosen one's bundle
	Checks []string // directories of checks
	Now    func() time.Time
	Say    func(line string) // what happens, for people
}

// Store is what is asked of the stage store.
type Store interface {
	// Judge records a verdict.
	Judge(ctx context.Context, stage int, result stages.Result, at time.Time, reasons []string) error
	// Select is the stage that the next boot would start with.
	Select() (stages.Choice, error)
}

// Options say how to apply. The zero value is good.
type Options struct {
	Timeout    time.Duration // for all of it; 0 is 10 minutes
	CheckLimit time.Duration // for each check; 0 is CheckLimit
	Reboot     bool          // start anew where the next boot would start with another stage after a bad verdict
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

// ErrInterrupted is the error of an application that somebody ended: there is no verdict.
var ErrInterrupted = errors.New("interrupted: there is no verdict")

// Apply makes the device run the apps of the stage of this boot, looks whether it is well, and records the verdict. A bad
// one is no error: the report has it. Nothing of a stage is judged, and nothing runs of one, where the boot has none.
func (d Device) Apply(ctx context.Context, boot report.Boot, o Options) (*Report, error) {
	o = o.withDefaults()
	r := &Report{
		Version: reportVersion, Stage: boot.Choice.Stage, Result: stages.Pending, Started: stamp(d.Now()),
		Reasons: []string{}, Apps: []Outcome{}, Checks: []Check{},
	}
	timeout := fmt.Errorf("not done after %s", o.Timeout)
	limited, cancel := context.WithTimeoutCause(ctx, o.Timeout, timeout)
	defer cancel()
	reasons, err := d.look(limited, r, o)
	ill := err != nil || len(reasons) > 0
	if ctx.Err() != nil || ill && d.System.Stopping(context.WithoutCancel(ctx)) {
		return r, ErrInterrupted
	}
	if err != nil {
		reasons = append(reasons, err.Error())
	}
	if len(reasons) > 0 && errors.Is(context.Cause(limited), timeout) {
		reasons = append(reasons, fmt.Sprintf("the stage was %s", timeout))
	}
	r.close(d.Now(), reasons)
	return r, d.conclude(context.WithoutCancel(ctx), boot, r, o)
}

// look applies the stage, and finds what is wrong: once the apps do not run, nothing else is looked at.
func (d Device) look(ctx context.Context, r *Report, o Options) (reasons []string, err error) {
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

// health looks at the system, then runs the checks, then has a last look at units and containers: some fail late.
func (d Device) health(ctx context.Context, r *Report, apps []App, o Options) (reasons []string, err error) {
	if err := d.System.Complete(ctx); err != nil {
		return nil, fmt.Errorf("the boot is not complete: %w", err)
	}
	programs, err := Checks(d.Checks...)
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		c := check(ctx, d.System, p, o.CheckLimit)
		r.Checks = append(r.Checks, c)
		d.Say(c.String())
		if c.Error != "" {
			reasons = append(reasons, c.String())
		}
	}
	broken, err := d.System.Broken(ctx)
	reasons = append(reasons, broken...)
	if err != nil || len(apps) == 0 {
		return reasons, err
	}
	all, err := d.Docker.Containers(ctx)
	return append(reasons, unwell(all, projects(apps)...)...), err
}

func projects(apps []App) []string {
	var out []string
	for _, a := range apps {
		out = append(out, a.Project)
	}
	return out
}

// conclude records the verdict. After a bad one the device starts anew if it was an attempt at a stage, and the next boot
// starts with another one: so it never does so twice for one reason. A proven stage stays, since none is better.
func (d Device) conclude(ctx context.Context, boot report.Boot, r *Report, o Options) error {
	if r.Stage == 0 {
		d.Say("no stage runs: there is nothing to judge")
		return nil
	}
	if err := d.Store.Judge(ctx, r.Stage, r.Result, d.Now(), r.Reasons); err != nil {
		return fmt.Errorf("stage %d: %s, which could not be recorded: %w", r.Stage, r.Result, err)
	}
	d.Say(fmt.Sprintf("stage %d: %s", r.Stage, r.Result))
	for _, reason := range r.Reasons {
		d.Say("reason: " + reason)
	}
	choice, err := d.Store.Select()
	if err != nil {
		d.Say("warning: " + err.Error())
	}
	r.Next = choice.Stage
	if r.Result == stages.Good || boot.Choice.Attempt == 0 || choice.Stage == r.Stage {
		return nil
	}
	if !o.Reboot {
		d.Say(fmt.Sprintf("reboot to start with %s", stages.Name(choice.Stage)))
		return nil
	}
	r.Reboot = true
	d.Say(fmt.Sprintf("rebooting, to start with %s", stages.Name(choice.Stage)))
	return d.System.Reboot(ctx)
}

// Purge removes the containers, networks and volumes of all apps that stages brought: see Converger.
func (d Device) Purge(ctx context.Context, names []string) error {
	return d.converger().Purge(ctx, names)
}

func (d Device) converger() Converger {
	return Converger{Docker: d.Docker, Homes: d.Homes, Tell: func(o Outcome) { d.Say(o.String()) }}
}
