package main

import (
	"fmt"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
)

// maxProblems is how many problems the message of the day names.
const maxProblems = 3

// messageOfTheDay returns what is not as it should be: a failed stage, problems of this boot and the next one, overrides
// that hide updates, a queued reset. It has no lines if all is well.
func messageOfTheDay(s *device.Status) []string {
	var out []string
	for _, f := range s.Failed {
		if f.Stage != s.Running.Stage {
			out = append(out, fmt.Sprintf("Stage %d failed on %s; %s runs.", f.Stage, f.When, stages.Name(s.Running.Stage)))
		}
	}
	if s.Running.Ladder != "" {
		out = append(out, fmt.Sprintf("Boots ended without a verdict; this one runs %s (pkctl override check).", s.Running.Ladder))
	}
	switch {
	case s.Degraded:
		out = append(out, "The device is degraded.")
	case len(s.Problems) > 0:
		out = append(out, fmt.Sprintf("The next boot starts with %s.", stages.Name(s.Next.Stage)))
	}
	for _, p := range s.Problems[:min(len(s.Problems), maxProblems)] {
		out = append(out, "  "+p)
	}
	if len(s.Hiding) > 0 {
		out = append(out, fmt.Sprintf("Your changes hide updates: %s (pkctl override ls --hiding).", device.List(s.Hiding)))
	}
	if s.Reset != nil {
		out = append(out, fmt.Sprintf("A reset is queued: %s.", describeReset(*s.Reset)))
	}
	if len(out) > 0 {
		out = append(out, "See pkctl status.")
	}
	return out
}
