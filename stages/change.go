package stages

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxHistory is the greatest length of a store's history: enough to go back a few upgrades, few enough for an SD card.
const MaxHistory = 8

// Names of roles. They cannot be given to a stage.
const (
	NextName     = "next"
	PendingName  = "pending"
	CurrentName  = "current"
	RollbackName = "rollback"
)

var reservedNames = []string{NextName, PendingName, CurrentName, RollbackName}

// Rollback returns the stage that was current before the present one; 0 if there is none.
func (s Staged) Rollback() int {
	if len(s.History) < 2 {
		return 0
	}
	return s.History[len(s.History)-2]
}

// Pending returns the next stage if it differs from the current (last good) one, else 0.
func (s Staged) Pending() int {
	if s.Next == s.Current() {
		return 0
	}
	return s.Next
}

// Resolve returns the number of the stage that a number, a role such as "next", or a name refers to. It fails for
// unknown names and for roles that no stage has; it does not check that the stage exists.
func (s Staged) Resolve(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil && n > 0 {
		return n, nil
	}
	roles := map[string]int{NextName: s.Next, PendingName: s.Pending(), CurrentName: s.Current(), RollbackName: s.Rollback()}
	if n, known := roles[name]; known {
		if n == 0 {
			return 0, fmt.Errorf("the store has no %s stage", name)
		}
		return n, nil
	}
	if n, known := s.Names[name]; known {
		return n, nil
	}
	known := append(slices.Sorted(maps.Keys(s.Names)), reservedNames...)
	return 0, fmt.Errorf("stage %q is unknown: give a number or one of %s", name, strings.Join(known, ", "))
}

// References returns, in ascending order, the numbers of the stages that are next, in the history or named.
func (s Staged) References() []int {
	used := append(slices.Collect(maps.Values(s.Names)), s.History...)
	if s.Next != 0 {
		used = append(used, s.Next)
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// WithNext returns the references with another next stage, 0 for none, and next-failed cleared.
func (s Staged) WithNext(stage int) Staged {
	s.Next, s.NextFailed = stage, false
	return s
}

// WithVerdict returns the references after a verdict on a stage. A good verdict makes the stage the current one: it
// moves to the end of the history, which has each stage once and keeps the last MaxHistory stages. next-failed changes
// only with a verdict on the next stage.
func (s Staged) WithVerdict(stage int, result Result) Staged {
	if stage == s.Next {
		s.NextFailed = result == Failed
	}
	if result != Good {
		return s
	}
	s.History = append(without(s.History, stage), stage)
	s.History = s.History[max(0, len(s.History)-MaxHistory):]
	return s
}

// WithName returns the references with a name for a stage, which need not exist. If another stage has the name, the
// name moves. It fails for a number, the name of a role, and a name that is empty or has a space or slash.
func (s Staged) WithName(name string, stage int) (Staged, error) {
	if err := checkName(name); err != nil {
		return s, err
	}
	names := map[string]int{}
	maps.Copy(names, s.Names)
	names[name] = stage
	s.Names = names
	return s, nil
}

// WithoutName returns the references without a name. It fails if no stage has the name.
func (s Staged) WithoutName(name string) (Staged, error) {
	if _, known := s.Names[name]; !known {
		return s, fmt.Errorf("stage name %q is unknown", name)
	}
	names := maps.Clone(s.Names)
	delete(names, name)
	s.Names = names
	return s, nil
}

// WithoutStage returns the references without a stage: it has no name and is not in the history. If it was next, the
// last stage of the remaining history becomes next; none if the history is empty.
func (s Staged) WithoutStage(stage int) Staged {
	s.History = without(s.History, stage)
	names := maps.Clone(s.Names)
	maps.DeleteFunc(names, func(_ string, n int) bool { return n == stage })
	s.Names = names
	if s.Next == stage {
		return s.WithNext(s.Current())
	}
	return s
}

func without(list []int, n int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(m int) bool { return m == n })
}

func checkName(name string) error {
	_, err := strconv.Atoi(name)
	switch {
	case err == nil:
		return fmt.Errorf("stage name %q is a number", name)
	case slices.Contains(reservedNames, name):
		return fmt.Errorf("stage name %q is reserved for a role", name)
	case name == "" || strings.ContainsAny(name, " \t\r\n/"):
		return fmt.Errorf("stage name %q is empty or contains a space, a line break or a slash", name)
	}
	return nil
}

// WithVerdict returns the state with a verdict on a stage in place of an earlier one, with its reasons, and with no
// attempts counted.
func (s BootState) WithVerdict(stage int, result Result, at time.Time, reasons ...string) BootState {
	r := s.Stages[stage]
	r.Attempts, r.Result, r.Last, r.Reasons = 0, result, timestamp(at), reasons
	return s.with(stage, r)
}

// WithoutRecord returns the state without all that is recorded of a stage: attempts, verdict, and the marks of Unusable
// and Damaged. The stage has all its attempts again.
func (s BootState) WithoutRecord(stage int) BootState {
	next := s.with(stage, Record{})
	delete(next.Stages, stage)
	return next
}

// withNone returns the state with or without the choice of no stage.
func (s BootState) withNone(none bool) BootState {
	s.Version, s.None = stateVersion, none
	if s.Stages == nil {
		s.Stages = map[int]Record{}
	}
	return s
}

func (s BootState) with(stage int, r Record) BootState {
	next := BootState{Version: stateVersion, Stages: map[int]Record{}, None: s.None}
	maps.Copy(next.Stages, s.Stages)
	next.Stages[stage] = r
	return next
}

func timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
