package stages

import (
	"fmt"
	"slices"
)

// MaxAttempts is how often a stage that is not yet proven may be started without a verdict: more than once, since a
// pulled plug is not a verdict.
const MaxAttempts = 3

// Choice is the stage to start with.
type Choice struct {
	Stage   int    // 0 means none: the plain root and the user's overrides
	Attempt int    // which attempt at a stage not yet proven this is; 0 for a proven one
	Reason  string // why this one
	Problem string // why not the one that the store names as next; "" if it is that one
}

// Select chooses the stage of a boot: the next one if it is complete, not found bad and either proven or with attempts
// left; else the last proven one that is complete; else none.
func Select(s Snapshot) Choice {
	problem := unfit(s)
	if problem == "" {
		return chooseNext(s)
	}
	return Fallback(s, problem)
}

// Fallback chooses as if the next stage were not there, because of a problem.
func Fallback(s Snapshot, problem string) Choice {
	for _, n := range slices.Backward(s.Staged.History) {
		if s.incomplete(n) == nil {
			return Choice{Stage: n, Reason: fmt.Sprintf("stage %d is the last proven one", n), Problem: problem}
		}
	}
	return Choice{Reason: "no stage can be used", Problem: problem}
}

func chooseNext(s Snapshot) Choice {
	next := s.Staged.Next
	if next == s.Staged.Current() {
		return Choice{Stage: next, Reason: fmt.Sprintf("stage %d is next and proven", next)}
	}
	attempt := s.State.Stages[next].Attempts + 1
	return Choice{
		Stage:   next,
		Attempt: attempt,
		Reason:  fmt.Sprintf("stage %d is next, attempt %d of %d", next, attempt, MaxAttempts),
	}
}

// unfit says why the next stage cannot be used, "" if it can.
func unfit(s Snapshot) string {
	next := s.Staged.Next
	incomplete := s.incomplete(next)
	switch {
	case next == 0:
		return "no stage is next"
	case incomplete != nil:
		return fmt.Sprintf("stage %d is next but not complete: %v", next, incomplete)
	case s.Staged.NextFailed:
		return fmt.Sprintf("stage %d is next but was found bad", next)
	case next != s.Staged.Current() && s.State.Stages[next].Attempts >= MaxAttempts:
		return fmt.Sprintf("stage %d is next but has had its %d attempts without a verdict", next, MaxAttempts)
	}
	return ""
}

// Name names a stage for people; 0 is none.
func Name(stage int) string {
	if stage == 0 {
		return "no stage"
	}
	return fmt.Sprintf("stage %d", stage)
}
