package device

import (
	"fmt"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Status is the summary of a device that pkctl status prints: running and next stage, failed stages, overrides and
// problems.
type Status struct {
	Running  RunningStage  `json:"running"`
	Next     NextBoot      `json:"next"`
	Failed   []FailedStage `json:"failed"`
	Degraded bool          `json:"degraded"` // something of this boot is not as it should be
	Problems []string      `json:"problems"` // of this boot, of the next one, and of what could not be read
	// Overrides counts what the user changed; Hiding is what of it hides an update, Queued what is reverted at the next
	// boot. Overrides is null where they could not be read.
	Overrides *int     `json:"overrides"`
	Hiding    []string `json:"hiding"`
	Queued    []string `json:"queued"`
	// Verdict is the one on this boot's stage; nil without one.
	Verdict *Verdict        `json:"verdict,omitempty"`
	Reset   *override.Reset `json:"reset,omitempty"` // what is queued for the next boot
}

// RunningStage is the stage of this boot, its pallet, and why it was selected.
type RunningStage struct {
	Stage  int    `json:"stage"` // 0 for none
	Reason string `json:"reason"`
	Ladder string `json:"ladder,omitempty"` // what this boot leaves out after boots without a verdict; "" for nothing
	Origin
}

// FailedStage is a stage with a failed verdict: its number, the time and the reasons.
type FailedStage struct {
	Stage   int      `json:"stage"`
	When    string   `json:"when"` // RFC 3339
	Reasons []string `json:"reasons"`
}

// Status returns the status of the device. Files that cannot be read are listed among its problems.
func (d Device) Status() *Status {
	s := &Status{Failed: []FailedStage{}, Problems: []string{}, Hiding: []string{}, Queued: []string{}}
	boot, err := d.BootReport()
	s.problem(err)
	if err != nil {
		s.Running.Reason = "unknown: no boot report"
	} else {
		s.ofBoot(d, boot)
	}
	s.problem(s.verdict(d))
	s.Next = d.NextBoot()
	if reset, err := d.QueuedReset(); err == nil && reset != (override.Reset{}) {
		s.Reset = &reset
	}
	for _, p := range s.Next.Problems {
		s.add(p)
	}
	snapshot, _ := d.snapshot() // what is wrong with it is a problem of the next boot
	s.Failed = failures(snapshot)
	return s
}

func (s *Status) problem(err error) {
	if err != nil {
		s.add(oneLine(err))
	}
}

// add adds a problem once: pkinit and the next boot may have the same.
func (s *Status) add(p string) {
	if !slices.Contains(s.Problems, p) {
		s.Problems = append(s.Problems, p)
	}
}

// ofBoot enters what pkinit reported, and the overrides in the overlays of this boot.
func (s *Status) ofBoot(d Device, boot report.Boot) {
	s.Running.Stage, s.Running.Reason = boot.Choice.Stage, boot.Choice.Reason
	s.Running.Ladder = boot.Choice.Ladder
	s.Running.Origin = d.origin(s.Running.Stage)
	s.Degraded = boot.Degraded
	for _, p := range boot.Problems {
		s.add(p)
	}
	all, err := d.overrides(boot)
	if err != nil {
		s.problem(fmt.Errorf("list overrides: %w", err))
		return
	}
	n := len(all)
	s.Overrides = &n
	for _, o := range all {
		if o.Hides != 0 {
			s.Hiding = append(s.Hiding, o.Path)
		}
		if o.Queued {
			s.Queued = append(s.Queued, o.Path)
		}
	}
}

// verdict enters how the stage of this boot was applied.
func (s *Status) verdict(d Device) error {
	r, err := d.ApplyReport()
	if err != nil || r == nil || r.Stage == 0 {
		return err
	}
	s.Verdict = &Verdict{Stage: r.Stage, Result: r.Result, When: rfc3339(r.Finished), Reasons: append([]string{}, r.Reasons...)}
	if r.Result == stages.Failed {
		s.Degraded = true
		for _, reason := range r.Reasons {
			s.add(reason)
		}
	}
	return nil
}

// failures returns the stages that were found bad, in ascending order.
func failures(s stages.Snapshot) []FailedStage {
	out := []FailedStage{}
	for n, r := range s.State.Stages {
		if r.Result == stages.Failed {
			out = append(out, FailedStage{n, rfc3339(r.Last), append([]string{}, r.Reasons...)})
		}
	}
	slices.SortFunc(out, func(a, b FailedStage) int { return a.Stage - b.Stage })
	return out
}

// oneLine writes an error that has several lines, as joined ones have, in one.
func oneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "; ")
}
