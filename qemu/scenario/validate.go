package scenario

import (
	"slices"
	"strconv"

	"github.com/PlanktoScope/pkbuild/internal/yamldoc"
)

// power is the state of a machine between two steps.
type power string

const (
	off     power = "off"
	booting power = "booting, without a shell"
	on      power = "on"
)

// check reports mistakes between steps that are each correct: those that the machine cannot carry out in its state.
func (s *Scenario) check(err error) error {
	if err != nil {
		return err
	}
	if len(s.Steps) == 0 {
		return yamldoc.Add(nil, s.places[&s.Steps], "scenario has no steps")
	}
	states := map[string]power{"": off}
	for _, peer := range s.Peers {
		states[peer] = off
	}
	sticks := map[string]bool{}
	for _, step := range s.Steps {
		state, known := states[step.On]
		if !known {
			err = yamldoc.Add(err, s.places[&step.On], "unknown peer %q, want one of peers", step.On)
			continue
		}
		next, want := step.transition(state)
		if step.Kernel && step.Expect == nil && step.Run == nil && step.Fails == nil {
			err = yamldoc.Add(err, s.places[step], "kernel is for expect and run: without %s the later steps mean something else", step.kind())
		}
		if !slices.Contains(want, state) {
			err = yamldoc.Add(err, s.places[step], "%s needs a machine that is %s; here it is %s", step.kind(), want[0], state)
			continue
		}
		states[step.On] = next
		err = s.checkSticks(err, step, sticks)
		err = s.checkPorts(err, step)
	}
	return err
}

// transition returns the state of a machine after a step, and the states before it. A step that fails changes nothing, but
// a boot that fails has begun, and what is not the expected end is an end.
func (step *Step) transition(state power) (next power, want []power) {
	next, want = step.success(state)
	switch {
	case step.Fails == nil, step.Ends != nil:
		return next, want
	case step.Boot != nil:
		return booting, want
	}
	return state, want
}

// success is transition for a step that succeeds.
func (step *Step) success(state power) (next power, want []power) {
	switch {
	case step.Boot != nil && step.Boot.Until.Regexp != nil:
		return booting, []power{off}
	case step.Boot != nil:
		return on, []power{off}
	case step.Cut != nil && step.Cut.During != "", step.PowerOff != nil:
		return off, []power{on}
	case step.Cut != nil, step.Reset != nil, step.Ends != nil:
		return off, []power{on, booting}
	case step.Damage != nil, step.Check != nil:
		return off, []power{off}
	case step.Write != nil, step.Delete != "", step.Clock != nil:
		return state, []power{on, off}
	case step.Expect != nil && step.Expect.onlyConsole():
		return state, []power{on, booting, off}
	}
	return state, []power{on}
}

// onlyConsole reports whether nothing but the console is looked at, which outlasts the machine.
func (e *Expectations) onlyConsole() bool {
	rest := *e
	rest.Console, rest.Within = nil, 0
	return rest.Defects == nil && rest.Report == nil && rest.Failed == nil && rest.Journal == nil && len(rest.Commands) == 0 &&
		len(rest.Units)+len(rest.Mounts)+len(rest.Files)+len(rest.Ports)+len(rest.Containers)+len(rest.Phases) == 0
}

func (s *Scenario) checkSticks(err error, step *Step, sticks map[string]bool) error {
	switch {
	case step.Plug != nil && sticks[step.Plug.Name]:
		return yamldoc.Add(err, s.places[step], "stick %s is plugged in already", step.Plug.Name)
	case step.Plug != nil:
		sticks[step.Plug.Name] = true
	case step.Unplug != "" && !sticks[step.Unplug]:
		return yamldoc.Add(err, s.places[step], "stick %s is not plugged in", step.Unplug)
	case step.Unplug != "":
		delete(sticks, step.Unplug)
	}
	return err
}

func (s *Scenario) checkPorts(err error, step *Step) error {
	if step.Expect == nil {
		return err
	}
	for number, p := range step.Expect.Ports {
		if _, parseErr := strconv.ParseUint(number, 10, 16); parseErr != nil {
			err = yamldoc.Add(err, s.places[p], "%s is not a port, want 1 to 65535", number)
		}
		if p.State == "closed" && (p.Get != "" || p.Answer.Regexp != nil) {
			err = yamldoc.Add(err, s.places[p], "a closed port has no answer")
		}
	}
	return err
}

// kind returns the key of a step.
func (step *Step) kind() string {
	switch {
	case step.Boot != nil:
		return "boot"
	case step.Expect != nil:
		return "expect"
	case step.Run != nil:
		return "run"
	case step.Write != nil:
		return "write"
	case step.Delete != "":
		return "delete"
	case step.Stage != nil:
		return "stage"
	case step.Cut != nil:
		return "cut"
	case step.PowerOff != nil:
		return "power-off"
	case step.Reset != nil:
		return "reset"
	case step.Ends != nil:
		return "ends"
	case step.Fill != nil:
		return "fill"
	case step.Clock != nil:
		return "clock"
	case step.Plug != nil:
		return "plug"
	case step.Unplug != "":
		return "unplug"
	case step.Damage != nil:
		return "damage"
	case step.Check != nil:
		return "check-card"
	}
	return ""
}

// ports returns the ports of all expectations about a machine.
func (s *Scenario) ports(machine string) []int {
	var ports []int
	for _, step := range s.Steps {
		if step.Expect == nil || step.On != machine {
			continue
		}
		for number := range step.Expect.Ports {
			if n, err := strconv.Atoi(number); err == nil && !slices.Contains(ports, n) {
				ports = append(ports, n)
			}
		}
	}
	slices.Sort(ports)
	return ports
}
