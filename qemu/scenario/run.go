package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/yamldoc"
)

// Default limits, in time in which the machine could run.
const (
	bootLimit     = 10 * time.Minute
	endLimit      = 10 * time.Minute
	powerOffLimit = 3 * time.Minute
)

// Result is the outcome of a scenario: how many steps were carried out, and why it failed, if it did.
type Result struct {
	Name     string
	Title    string
	Machine  string
	Steps    int // how many of the scenario's steps were carried out
	Of       int
	Failures []Failure     // expectations that do not hold
	Err      error         // why the scenario could not be carried on
	Details  string        // what helps to find out why, if it failed
	Time     time.Duration // by the host's clock
}

// Failed reports whether the scenario failed: an expectation does not hold, or a step could not be carried out.
func (r *Result) Failed() bool { return r.Err != nil || len(r.Failures) > 0 }

// NewDevice creates a device for a scenario. The name "" is the scenario's own device; other names are those in
// Scenario.Peers.
type NewDevice func(name string) (Device, error)

// runner carries out one scenario.
type runner struct {
	scenario *Scenario
	create   NewDevice
	machines map[string]Device
	clocks   map[string]time.Time
}

// Run carries out the scenario's steps on devices that create makes, until one fails, and returns the outcome. progress,
// which may be nil, is called before each step. At the end the devices are closed; if keep is set and the scenario failed
// without an interruption, their files are kept.
func (s *Scenario) Run(ctx context.Context, create NewDevice, keep bool, progress func(step string)) *Result {
	start := time.Now()
	r := &runner{scenario: s, create: create, machines: map[string]Device{}, clocks: map[string]time.Time{}}
	result := &Result{Name: s.Name, Title: s.Title, Machine: cmp.Or(s.Machine, "virt"), Of: len(s.Steps)}
	for _, step := range s.Steps {
		if progress != nil {
			progress(step.kind())
		}
		result.Failures, result.Err = r.step(ctx, step)
		if result.Err != nil {
			result.Err = fmt.Errorf("%s: %w", s.places[step], result.Err)
		}
		if result.Failed() {
			if m := r.machines[step.On]; m != nil {
				result.Details = m.Describe()
			}
			break
		}
		result.Steps++
	}
	for _, m := range r.machines {
		result.Err = errors.Join(result.Err, m.Close(keep && result.Failed() && ctx.Err() == nil))
	}
	result.Time = time.Since(start)
	return result
}

// machine returns the machine of a step, which the first step about it creates.
func (r *runner) machine(name string) (Device, error) {
	if m := r.machines[name]; m != nil {
		return m, nil
	}
	m, err := r.create(name)
	if err == nil {
		r.machines[name] = m
	}
	return m, err
}

// step carries out one step.
func (r *runner) step(ctx context.Context, step *Step) ([]Failure, error) {
	m, err := r.machine(step.On)
	if err != nil {
		return nil, err
	}
	failures, err := r.carryOut(ctx, m, step)
	if step.Fails == nil || ctx.Err() != nil {
		return failures, err
	}
	return step.mustFail(r.scenario.places, failures, err), nil
}

// mustFail returns how the failures of a step differ from those that it must have.
func (step *Step) mustFail(places yamldoc.Places, failures []Failure, err error) (wrong []Failure) {
	var got []string
	for _, f := range failures {
		got = append(got, f.Message)
	}
	if err != nil {
		got = append(got, err.Error())
	}
	if len(got) != len(step.Fails) {
		message := fmt.Sprintf("%s has %d failures, want %d: %s", step.kind(), len(got), len(step.Fails), strings.Join(got, "; "))
		return []Failure{{places[&step.Fails], message}}
	}
	for i := range step.Fails {
		if p := &step.Fails[i]; !p.matches(got[i]) {
			wrong = append(wrong, Failure{places[p], fmt.Sprintf("failure is %q, want a match of %q", got[i], p)})
		}
	}
	return wrong
}

// carryOut carries out one step on its machine.
func (r *runner) carryOut(ctx context.Context, m Device, step *Step) ([]Failure, error) {
	switch {
	case step.Expect != nil:
		return step.Expect.check(ctx, m, r.scenario.places)
	case step.Run != nil:
		c := &checker{ctx: ctx, machine: m, places: r.scenario.places}
		c.command(step.Run)
		return c.sorted(), c.err
	case step.Ends != nil:
		return ends(ctx, m, step.Ends, r.scenario.places)
	}
	return nil, r.event(ctx, m, step)
}

// event carries out a step that expects nothing.
func (r *runner) event(ctx context.Context, m Device, step *Step) error {
	switch {
	case step.Boot != nil:
		return r.boot(ctx, m, step)
	case step.Write != nil:
		return write(ctx, m, step.Write)
	case step.Delete != "":
		return remove(ctx, m, step.Delete)
	case step.Stage != nil:
		return succeed(ctx, m, step.Stage.script(), commandLimit)
	case step.Cut != nil:
		return cut(ctx, m, step.Cut)
	case step.Reset != nil:
		return cut(ctx, m, &Cut{After: step.Reset.After})
	case step.PowerOff != nil:
		return m.PowerOff(ctx, step.PowerOff.Limit.or(powerOffLimit))
	case step.Fill != nil:
		return succeed(ctx, m, step.Fill.script(), commandLimit)
	case step.Clock != nil:
		return r.clock(ctx, m, step)
	case step.Plug != nil:
		return m.Plug(ctx, step.Plug)
	case step.Unplug != "":
		return m.Unplug(ctx, step.Unplug)
	case step.Damage != nil:
		return step.Damage.do(m.Card())
	case step.Check != nil:
		return m.Card().Check(step.Check.Repair)
	}
	return fmt.Errorf("internal error: step %q is not implemented", step.kind())
}

// boot switches a machine on and waits until it has a shell, or its console shows a pattern.
func (r *runner) boot(ctx context.Context, m Device, step *Step) error {
	b := step.Boot
	usb, lost := false, false
	for _, other := range r.scenario.Steps {
		usb = usb || other.Plug != nil && other.On == step.On
		lost = lost || other.Cut != nil && other.Cut.Lost && other.On == step.On
	}
	err := m.Start(ctx, Start{
		Offline: b.Offline, Ports: r.scenario.ports(step.On), Clock: r.clocks[step.On], USB: usb,
		Watchdog: b.Watchdog, WriteLog: lost,
	})
	switch {
	case err != nil:
		return err
	case b.Until.Regexp != nil:
		return await(ctx, m, b.Until, b.Timeout.or(bootLimit))
	}
	return m.Ready(ctx, b.Timeout.or(bootLimit))
}

// await waits for a pattern on the console.
func await(ctx context.Context, m Device, p Pattern, limit time.Duration) error {
	const poll = 50 * time.Millisecond
	deadline := m.Elapsed() + limit
	for !p.MatchString(m.Console()) {
		if m.Elapsed() > deadline {
			return fmt.Errorf("console has no match of %q after %s", p, limit)
		}
		if err := m.Sleep(ctx, poll); err != nil {
			return fmt.Errorf("console has no match of %q: %w", p, err)
		}
	}
	return nil
}

// cut cuts the power at the moment that the step describes.
func cut(ctx context.Context, m Device, c *Cut) error {
	if c.During != "" {
		script := "(" + c.During + "\n) </dev/null >/dev/null 2>&1 &"
		if err := succeed(ctx, m, script, commandLimit); err != nil {
			return err
		}
	}
	if c.When.Regexp != nil {
		if err := await(ctx, m, c.When, c.Limit.or(bootLimit)); err != nil {
			return err
		}
	}
	if c.After > 0 {
		if err := m.Sleep(ctx, time.Duration(c.After)); err != nil {
			return err
		}
	}
	return m.Cut(ctx, c.Lost, c.Seed)
}

func ends(ctx context.Context, m Device, e *Ends, places yamldoc.Places) ([]Failure, error) {
	reason, err := m.Ended(ctx, e.Within.or(endLimit))
	if err != nil || reason == e.Reason {
		return nil, err
	}
	return []Failure{{places[e], fmt.Sprintf("the machine stopped by %s, want %s", reason, e.Reason)}}, nil
}

// succeed runs a script that must exit with 0.
func succeed(ctx context.Context, m Device, script string, limit time.Duration) error {
	out, err := m.Run(ctx, script, limit)
	if err == nil && out.Code != 0 {
		err = fmt.Errorf("script ended with exit code %d: %s", out.Code, strings.TrimSpace(out.Text))
	}
	return err
}

// clock sets the clock of a running system at once, and that of the hardware from the next boot on.
func (r *runner) clock(ctx context.Context, m Device, step *Step) error {
	r.clocks[step.On] = step.Clock.Time
	if m.Elapsed() == 0 {
		return nil
	}
	return succeed(ctx, m, fmt.Sprintf("date --utc --set @%d", step.Clock.Unix()), queryLimit)
}
