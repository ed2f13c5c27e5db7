package stages_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
)

// snapshot returns a store in which all stages but some are complete.
func snapshot(s stages.Staged, attempts map[int]int, incomplete ...int) stages.Snapshot {
	snap := stages.Snapshot{Staged: s, Bundles: map[int]error{}}
	for _, n := range append(slices.Clone(s.History), s.Next) {
		snap.Bundles[n] = nil
	}
	for _, n := range incomplete {
		snap.Bundles[n] = errors.New("no manifest")
	}
	snap.State.Stages = map[int]stages.Record{}
	for n, a := range attempts {
		snap.State.Stages[n] = stages.Record{Attempts: a}
	}
	return snap
}

func TestSelect(t *testing.T) {
	none := "no stage can be used"
	for what, c := range map[string]struct {
		snapshot stages.Snapshot
		want     stages.Choice
	}{
		"proven next": {
			snapshot(stages.Staged{Next: 1, History: []int{1}}, map[int]int{1: 99}),
			stages.Choice{Stage: 1, Reason: "stage 1 is next and proven"},
		},
		"new next": {
			snapshot(stages.Staged{Next: 2, History: []int{1}}, nil),
			stages.Choice{Stage: 2, Attempt: 1, Counted: 2, Reason: "stage 2 is next, attempt 1 of 3"},
		},
		"new next, last attempt": {
			snapshot(stages.Staged{Next: 2, History: []int{1}}, map[int]int{2: 2}),
			stages.Choice{Stage: 2, Attempt: 3, Counted: 2, Reason: "stage 2 is next, attempt 3 of 3"},
		},
		"new next without attempts left": {
			snapshot(stages.Staged{Next: 2, History: []int{1}}, map[int]int{2: 3}),
			stages.Choice{Stage: 1, Reason: "stage 1 is the last proven one",
				Problem: "stage 2 is next but has had its 3 attempts without a verdict"},
		},
		"first stage of all, never proven": {
			snapshot(stages.Staged{Next: 1}, nil),
			stages.Choice{Stage: 1, Attempt: 1, Counted: 1, Reason: "stage 1 is next, attempt 1 of 3"},
		},
		"next found bad": {
			snapshot(stages.Staged{Next: 2, NextFailed: true, History: []int{3, 1}}, nil),
			stages.Choice{Stage: 1, Reason: "stage 1 is the last proven one", Problem: "stage 2 is next but was found bad"},
		},
		"next is current and was found bad": {
			snapshot(stages.Staged{Next: 1, NextFailed: true, History: []int{1}}, nil),
			stages.Choice{Stage: 1, Reason: "stage 1 is the last proven one", Problem: "stage 1 is next but was found bad"},
		},
		"next was proven long ago": {
			snapshot(stages.Staged{Next: 1, History: []int{1, 2}}, nil),
			stages.Choice{Stage: 1, Attempt: 1, Counted: 1, Reason: "stage 1 is next, attempt 1 of 3"},
		},
		"next incomplete": {
			snapshot(stages.Staged{Next: 2, History: []int{1}}, nil, 2),
			stages.Choice{Stage: 1, Reason: "stage 1 is the last proven one",
				Problem: "stage 2 is next but cannot be used: no manifest"},
		},
		"next and current incomplete": {
			snapshot(stages.Staged{Next: 3, History: []int{1, 2}}, nil, 2, 3),
			stages.Choice{Stage: 1, Reason: "stage 1 is the last proven one",
				Problem: "stage 3 is next but cannot be used: no manifest"},
		},
		"all incomplete": {
			snapshot(stages.Staged{Next: 1, History: []int{1}}, nil, 1),
			stages.Choice{Reason: none, Problem: "stage 1 is next but cannot be used: no manifest"},
		},
		"unset next": {
			snapshot(stages.Staged{History: []int{1, 2}}, nil),
			stages.Choice{Stage: 2, Reason: "stage 2 is the last proven one", Problem: "no stage is next"},
		},
		"empty": {
			stages.Snapshot{},
			stages.Choice{Reason: none, Problem: "no stage is next"},
		},
		"negative numbers": {
			stages.Snapshot{Staged: stages.Staged{Next: -2, History: []int{-1, 0}}},
			stages.Choice{Reason: none, Problem: "stage -2 is next but cannot be used: -2 is not the number of a known stage"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			require.Equal(t, c.want, stages.Select(c.snapshot))
		})
	}
}
