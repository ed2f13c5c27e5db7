package stages_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
)

var staged = stages.Staged{Next: 4, History: []int{3, 1, 2}, Names: map[string]int{"factory-reset": 1, "field-trip": 3}}

func TestResolve(t *testing.T) {
	for name, want := range map[string]int{
		"7": 7, "next": 4, "pending": 4, "current": 2, "rollback": 1, "factory-reset": 1, "field-trip": 3,
	} {
		n, err := staged.Resolve(name)
		require.NoError(t, err)
		require.Equal(t, want, n, name)
	}
}

func TestResolveErrors(t *testing.T) {
	for name, message := range map[string]string{
		"factory": `stage "factory" is unknown: give a number or one of factory-reset, field-trip, next, pending, current, rollback`,
		"":        `stage "" is unknown: give a number or one of factory-reset, field-trip, next, pending, current, rollback`,
		"0":       `stage "0" is unknown: give a number or one of factory-reset, field-trip, next, pending, current, rollback`,
		"-1":      `stage "-1" is unknown: give a number or one of factory-reset, field-trip, next, pending, current, rollback`,
	} {
		_, err := staged.Resolve(name)
		require.EqualError(t, err, message)
	}
	proven := stages.Staged{Next: 2, History: []int{2}}
	for _, role := range []string{"pending", "rollback"} {
		_, err := proven.Resolve(role)
		require.EqualError(t, err, "the store has no "+role+" stage")
	}
}

func TestReferences(t *testing.T) {
	require.Equal(t, []int{1, 2, 3, 4}, staged.References())
	require.Empty(t, stages.Staged{}.References())
}

func TestWithNext(t *testing.T) {
	failed := stages.Staged{Next: 4, NextFailed: true, History: []int{2}}
	require.Equal(t, stages.Staged{Next: 4, History: []int{2}}, failed.WithNext(4), "it may be tried again")
	require.Equal(t, stages.Staged{History: []int{2}}, failed.WithNext(0))
}

func TestWithVerdict(t *testing.T) {
	for what, c := range map[string]struct {
		before stages.Staged
		stage  int
		result stages.Result
		want   stages.Staged
	}{
		"next is good":              {stages.Staged{Next: 4, NextFailed: true, History: []int{1, 2}}, 4, stages.Good, stages.Staged{Next: 4, History: []int{1, 2, 4}}},
		"next is good once more":    {stages.Staged{Next: 2, History: []int{1, 2}}, 2, stages.Good, stages.Staged{Next: 2, History: []int{1, 2}}},
		"going back":                {stages.Staged{Next: 1, History: []int{1, 2}}, 1, stages.Good, stages.Staged{Next: 1, History: []int{2, 1}}},
		"next is bad":               {stages.Staged{Next: 4, History: []int{1, 2}}, 4, stages.Failed, stages.Staged{Next: 4, NextFailed: true, History: []int{1, 2}}},
		"next is tried again":       {stages.Staged{Next: 4, NextFailed: true}, 4, stages.Pending, stages.Staged{Next: 4}},
		"the fallback is good":      {stages.Staged{Next: 4, NextFailed: true, History: []int{1, 2}}, 2, stages.Good, stages.Staged{Next: 4, NextFailed: true, History: []int{1, 2}}},
		"the fallback is bad":       {stages.Staged{Next: 4, NextFailed: true, History: []int{1, 2}}, 2, stages.Failed, stages.Staged{Next: 4, NextFailed: true, History: []int{1, 2}}},
		"another is next meanwhile": {stages.Staged{Next: 5, History: []int{1}}, 4, stages.Good, stages.Staged{Next: 5, History: []int{1, 4}}},
		"a long history": {
			stages.Staged{Next: 9, History: []int{1, 2, 3, 4, 5, 6, 7, 8}}, 9, stages.Good,
			stages.Staged{Next: 9, History: []int{2, 3, 4, 5, 6, 7, 8, 9}},
		},
	} {
		t.Run(what, func(t *testing.T) {
			require.Equal(t, c.want, c.before.WithVerdict(c.stage, c.result))
		})
	}
}

func TestNames(t *testing.T) {
	named, err := staged.WithName("field-trip", 4)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"factory-reset": 1, "field-trip": 4}, named.Names)
	unnamed, err := named.WithoutName("field-trip")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"factory-reset": 1}, unnamed.Names)
	require.Equal(t, map[string]int{"factory-reset": 1, "field-trip": 3}, staged.Names, "the store before is as it was")

	_, err = staged.WithoutName("spring")
	require.EqualError(t, err, `stage name "spring" is unknown`)
	for name, message := range map[string]string{
		"7":       `stage name "7" is a number`,
		"-7":      `stage name "-7" is a number`,
		"current": `stage name "current" is reserved for a role`,
		"":        `stage name "" is empty or contains a space, a line break or a slash`,
		"a b":     `stage name "a b" is empty or contains a space, a line break or a slash`,
		"../x":    `stage name "../x" is empty or contains a space, a line break or a slash`,
	} {
		_, err := staged.WithName(name, 1)
		require.EqualError(t, err, message)
	}
}

func TestWithoutStage(t *testing.T) {
	require.Equal(t, stages.Staged{Next: 2, History: []int{3, 1, 2}, Names: staged.Names}, staged.WithoutStage(4))
	require.Equal(t, stages.Staged{Next: 4, History: []int{3, 2}, Names: map[string]int{"field-trip": 3}}, staged.WithoutStage(1))
	require.Equal(t, stages.Staged{}, stages.Staged{Next: 1, NextFailed: true}.WithoutStage(1))
	require.Equal(t, []int{3, 1, 2}, staged.History, "the store before is as it was")
}

func TestBootStateVerdicts(t *testing.T) {
	at := time.Unix(1767225600, 5)
	tried := stages.BootState{}.WithAttempt(4, at).WithAttempt(4, at)
	good, bad := tried.WithVerdict(4, stages.Good, at), tried.WithVerdict(4, stages.Failed, at)
	require.Equal(t, stages.Record{Attempts: 0, Last: time.Unix(1767225600, 0).UTC(), Result: stages.Good}, good.Stages[4])
	require.Equal(t, stages.Record{Last: time.Unix(1767225600, 0).UTC(), Result: stages.Failed}, bad.Stages[4])
	require.Empty(t, bad.WithoutRecord(4).Stages)
	require.Len(t, bad.Stages, 1, "the state before is as it was")
}
