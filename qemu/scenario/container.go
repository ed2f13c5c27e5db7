package scenario

import (
	"fmt"
	"slices"
)

// ContainerMachine is the machine that is no emulator: it shares the host's kernel, clock and drive.
const ContainerMachine = "container"

// On returns a copy of the scenario that runs on another machine; "" returns the scenario itself. For the machine
// "container" the copy lacks the steps that are marked with kernel.
func (s *Scenario) On(machine string) *Scenario {
	if machine == "" {
		return s
	}
	other := *s
	other.Machine = machine
	if machine == ContainerMachine {
		other.Steps = slices.DeleteFunc(slices.Clone(s.Steps), func(step *Step) bool { return step.Kernel })
	}
	return &other
}

// NeedsMachine returns the reason why the scenario needs a virtual machine and cannot run in a container; "" if it can.
func (s *Scenario) NeedsMachine() string {
	switch {
	case s.Machine != "" && s.Machine != ContainerMachine:
		return "machine is " + s.Machine
	case s.Kernel:
		return "kernel is true"
	}
	for _, step := range s.Steps {
		if key := step.needsMachine(); key != "" && !step.Kernel {
			return fmt.Sprintf("line %d has %s", s.places[step].Line, key)
		}
	}
	return ""
}

// needsMachine returns the key of a step that a container cannot carry out.
func (step *Step) needsMachine() string {
	switch {
	case step.Clock != nil:
		return "clock"
	case step.Plug != nil:
		return "plug"
	case step.Boot != nil && step.Boot.Watchdog:
		return "boot.watchdog"
	case step.Cut != nil && step.Cut.Lost:
		return "cut.lost"
	case step.Ends != nil && (step.Ends.Reason == "panic" || step.Ends.Reason == "watchdog"):
		return "ends: " + step.Ends.Reason
	case step.Expect != nil && len(step.Expect.Phases) > 0:
		return "expect.phases"
	}
	return ""
}
