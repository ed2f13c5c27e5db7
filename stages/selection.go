package stages

import (
	"fmt"
	"slices"
	"strings"
)

// MaxAttempts is the number of boots without a verdict that an unproven stage gets: more than one, since a pulled plug is
// not a verdict.
const MaxAttempts = 3

// Choice is the stage that Select chose for a boot, with the reason and the number of the attempt.
type Choice struct {
	Stage   int    // 0 means none: the plain root file system and the user's overrides
	Attempt int    // number of this attempt at an unproven stage, from 1; 0 for a proven stage
	Counted int    // stage for which this boot counts as an attempt; 0 if the boot is not counted
	Rung    Rung   // which overrides, and which stage, after boots without a verdict
	Reason  string // a clause that says why this stage was selected
	Problem string // why the next stage was not selected; "" if it was
}

// Select returns the stage for a boot: the next one if it is usable, has not failed, and is either current or has
// attempts left; else the last usable stage of the history; else none. It returns none at once if the device was told
// to start without a stage (SetNext with 0). If boots of a proven stage ended without a verdict, the boot uses less:
// see Rung. A damaged stage is selected only if no other one can be used.
func Select(s Snapshot) Choice { return preferUndamaged(s, choose) }

// preferUndamaged chooses from the stages that are not damaged, and from all if none of those can be used.
func preferUndamaged(s Snapshot, choose func(Snapshot) Choice) Choice {
	sound, damaged := s.withoutDamaged()
	if c := choose(sound); c.Stage != 0 || !damaged {
		return c
	}
	c := choose(s)
	damage := fmt.Sprintf("stage %d is damaged, and no other stage can be used: %s", c.Stage, s.State.Stages[c.Stage].Damaged)
	c.Problem = strings.TrimPrefix(c.Problem+"; "+damage, "; ")
	return c
}

func choose(s Snapshot) Choice {
	if s.Staged.Next == 0 && s.State.None {
		return Choice{Reason: "no stage was set as the next one"}
	}
	problem := nextProblem(s)
	if problem == "" {
		return chooseNext(s)
	}
	return fallback(s, problem)
}

// Fallback returns the choice of the last usable stage in the history, or of no stage if there is none, with problem as
// the reason why the next stage is not used. Like Select it prefers stages that are not damaged, and follows Rung.
func Fallback(s Snapshot, problem string) Choice {
	return preferUndamaged(s, func(s Snapshot) Choice { return fallback(s, problem) })
}

func fallback(s Snapshot, problem string) Choice {
	c := climb(s, lastProven(s, problem))
	if c.Problem != problem {
		c.Problem = problem + "; " + c.Problem
	}
	return c
}

func lastProven(s Snapshot, problem string) Choice {
	for _, n := range slices.Backward(s.Staged.History) {
		if s.bundleError(n) == nil {
			return Choice{Stage: n, Reason: fmt.Sprintf("stage %d is the last proven one", n), Problem: problem}
		}
	}
	return Choice{Reason: "no stage can be used", Problem: problem}
}

func chooseNext(s Snapshot) Choice {
	next := s.Staged.Next
	if next == s.Staged.Current() {
		return climb(s, Choice{Stage: next, Reason: fmt.Sprintf("stage %d is next and proven", next)})
	}
	attempt := s.State.Stages[next].Attempts + 1
	return Choice{
		Stage:   next,
		Attempt: attempt,
		Counted: next,
		Reason:  fmt.Sprintf("stage %d is next, attempt %d of %d", next, attempt, MaxAttempts),
	}
}

// nextProblem returns why the next stage cannot be selected, "" if it can.
func nextProblem(s Snapshot) string {
	next := s.Staged.Next
	unusable := s.bundleError(next)
	switch {
	case next == 0:
		return "no stage is next"
	case unusable != nil:
		return fmt.Sprintf("stage %d is next but cannot be used: %v", next, unusable)
	case s.Staged.NextFailed:
		return fmt.Sprintf("stage %d is next but was found bad", next)
	case next != s.Staged.Current() && s.State.Stages[next].Attempts >= MaxAttempts:
		return fmt.Sprintf("stage %d is next but has had its %d attempts without a verdict", next, MaxAttempts)
	}
	return ""
}

// Name returns a stage's name in messages, such as "stage 3"; for 0 it is "no stage".
func Name(stage int) string {
	if stage == 0 {
		return "no stage"
	}
	return fmt.Sprintf("stage %d", stage)
}
