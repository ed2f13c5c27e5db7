package stages

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxHistory is how many proven stages a store remembers: enough to go back a few upgrades, and no more than a card
// can hold.
const MaxHistory = 8

// Names that stand for a bundle by its role; no bundle can be given one of them.
const (
	NextName     = "next"
	PendingName  = "pending"
	CurrentName  = "current"
	RollbackName = "rollback"
)

// reserved are the names of roles.
var reserved = []string{NextName, PendingName, CurrentName, RollbackName}

// Rollback is the stage that was the current one before; 0 if there is none.
func (s Staged) Rollback() int {
	if len(s.History) < 2 {
		return 0
	}
	return s.History[len(s.History)-2]
}

// Pending is the next stage as long as it is not the current one; else 0.
func (s Staged) Pending() int {
	if s.Next == s.Current() {
		return 0
	}
	return s.Next
}

// Resolve is the stage that a number, a role or a name stands for. Whether it exists is another question.
func (s Staged) Resolve(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil && n > 0 {
		return n, nil
	}
	roles := map[string]int{NextName: s.Next, PendingName: s.Pending(), CurrentName: s.Current(), RollbackName: s.Rollback()}
	if n, known := roles[name]; known {
		if n == 0 {
			return 0, fmt.Errorf("no stage is %s", name)
		}
		return n, nil
	}
	if n, known := s.Names[name]; known {
		return n, nil
	}
	known := append(slices.Sorted(maps.Keys(s.Names)), reserved...)
	return 0, fmt.Errorf("no stage is called %q: there are numbers and %s", name, strings.Join(known, ", "))
}

// Uses are the stages that the store refers to, in ascending order.
func (s Staged) Uses() []int {
	used := append(slices.Collect(maps.Values(s.Names)), s.History...)
	if s.Next != 0 {
		used = append(used, s.Next)
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// WithNext is the store with another stage as the next, which counts as untried; 0 for none.
func (s Staged) WithNext(stage int) Staged {
	s.Next, s.NextFailed = stage, false
	return s
}

// Judged is the store after a verdict on a stage. A stage found good is the current one from now on; each stage is in
// the history once, where it was found good last. What is known of the next stage changes only with a verdict on it.
func (s Staged) Judged(stage int, result Result) Staged {
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

// Named is the store with a name for a stage, taken from another one that bore it.
func (s Staged) Named(name string, stage int) (Staged, error) {
	if err := checkName(name); err != nil {
		return s, err
	}
	names := map[string]int{}
	maps.Copy(names, s.Names)
	names[name] = stage
	s.Names = names
	return s, nil
}

// Unnamed is the store without a name.
func (s Staged) Unnamed(name string) (Staged, error) {
	if _, known := s.Names[name]; !known {
		return s, fmt.Errorf("no stage has the name %q", name)
	}
	names := maps.Clone(s.Names)
	delete(names, name)
	s.Names = names
	return s, nil
}

// Without is the store without a stage. Where it was the next one, the current one takes its place.
func (s Staged) Without(stage int) Staged {
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
		return fmt.Errorf("%q cannot be a name: it is a number", name)
	case slices.Contains(reserved, name):
		return fmt.Errorf("%q cannot be a name: it stands for a role", name)
	case name == "" || strings.ContainsAny(name, " \t\r\n/"):
		return fmt.Errorf("%q cannot be a name: it is empty or has a space, a line break or a slash", name)
	}
	return nil
}

// Judged is the state after a verdict on a stage, for reasons.
func (s BootState) Judged(stage int, result Result, at time.Time, reasons ...string) BootState {
	r := s.Stages[stage]
	if result == Good {
		r.Attempts = 0
	}
	r.Result, r.Last, r.Reasons = result, stamp(at), reasons
	return s.with(stage, r)
}

// Forgotten is the state without what became of a stage: it gets its attempts anew.
func (s BootState) Forgotten(stage int) BootState {
	next := s.with(stage, Record{})
	delete(next.Stages, stage)
	return next
}

func (s BootState) with(stage int, r Record) BootState {
	next := BootState{Version: stateVersion, Stages: map[int]Record{}}
	maps.Copy(next.Stages, s.Stages)
	next.Stages[stage] = r
	return next
}

func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
