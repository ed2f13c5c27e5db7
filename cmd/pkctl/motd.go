package main

import (
	"fmt"
	"io"

	"github.com/PlanktoScope/pkbuild/stages"
)

// motd says what whoever logs in should know: that the device does not run what it was meant to, and which of the user's
// changes hide an update. Nothing, if all is well.
func (s *status) motd(w io.Writer) error {
	var lines []string
	for _, f := range s.Failed {
		if f.Stage != s.Running.Stage {
			lines = append(lines, fmt.Sprintf("Stage %d failed on %s; %s runs.", f.Stage, f.When, stages.Name(s.Running.Stage)))
		}
	}
	if s.Degraded {
		lines = append(lines, "The device is degraded.")
		for _, p := range s.Problems[:min(len(s.Problems), few)] {
			lines = append(lines, "  "+p)
		}
	}
	if len(s.Hiding) > 0 {
		lines = append(lines, fmt.Sprintf("Changes of yours hide updates: %s (pkctl override ls --hiding).", list(s.Hiding)))
	}
	if s.Reset != nil {
		lines = append(lines, fmt.Sprintf("A reset is queued: %s.", describeReset(*s.Reset)))
	}
	if len(lines) > 0 {
		lines = append(lines, "See pkctl status.")
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
