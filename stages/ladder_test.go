package stages_test

import (
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
)

// judged returns a store whose stages 1 to 3 are proven and had a verdict, with a number of boots of stage 3 since then.
func judged(boots int, unusable ...int) stages.Snapshot {
	s := snapshot(stages.Staged{Next: 3, History: []int{1, 2, 3}, Names: map[string]int{"factory-reset": 1}}, nil, unusable...)
	for _, n := range []int{1, 2, 3} {
		s.State.Stages[n] = stages.Record{Result: stages.Good}
	}
	s.State.Stages[3] = stages.Record{Result: stages.Good, Attempts: boots}
	return s
}

func TestLadder(t *testing.T) {
	for boots, want := range []stages.Choice{
		{Stage: 3, Counted: 3},
		{Stage: 3, Counted: 3},
		{Stage: 3, Counted: 3},
		{Stage: 3, Counted: 3, Rung: stages.GoodOverrides},
		{Stage: 3, Counted: 3, Rung: stages.GoodOverrides},
		{Stage: 3, Counted: 3, Rung: stages.NoOverrides},
		{Stage: 3, Counted: 3, Rung: stages.NoOverrides},
		{Stage: 2, Counted: 3, Rung: stages.RollbackStage},
		{Stage: 2, Counted: 3, Rung: stages.RollbackStage},
		{Stage: 1, Counted: 3, Rung: stages.FactoryStage},
		{Stage: 1, Counted: 3, Rung: stages.FactoryStage},
	} {
		got := stages.Select(judged(boots))
		require.Equal(t, got.Rung != stages.AllOverrides, got.Problem != "", "%d boots: %+v", boots, got)
		got.Reason, got.Problem = "", ""
		require.Equal(t, want, got, "%d boots", boots)
	}
	require.Equal(t, "5 boots of stage 3 ended without a verdict: stage 3, without overrides", stages.Select(judged(5)).Problem)
	require.Equal(t, "100 boots of stage 3 ended without a verdict: stage 1, without overrides, with the factory stage",
		stages.Select(judged(100)).Reason)
}

func TestLadderWithoutAnotherStage(t *testing.T) {
	require.Equal(t, 1, stages.Select(judged(7, 2)).Stage, "the rollback stage cannot be used")
	require.Equal(t, 3, stages.Select(judged(9, 1)).Stage, "the factory stage cannot be used")
	require.Equal(t, stages.FactoryStage, stages.Select(judged(9, 1)).Rung)
}

// A device on which nothing gives verdicts never leaves the lowest rung.
func TestNoLadderWithoutVerdicts(t *testing.T) {
	s := judged(100)
	s.State.Stages[3] = stages.Record{Attempts: 100}
	require.Equal(t, stages.Choice{Stage: 3, Reason: "stage 3 is next and proven"}, stages.Select(s))
}

// An unproven stage whose attempts are used up is followed by the proven stage, with a ladder of its own.
func TestLadderAfterAnUnprovenStage(t *testing.T) {
	s := judged(3)
	s.Staged.Next, s.Bundles[4] = 4, nil
	s.State.Stages[4] = stages.Record{Attempts: 3, Result: stages.Pending}
	require.Equal(t, stages.Choice{Stage: 3, Counted: 3, Rung: stages.GoodOverrides,
		Reason: "3 boots of stage 3 ended without a verdict: stage 3, without the overrides changed since the last good boot",
		Problem: "stage 4 is next but has had its 3 attempts without a verdict; 3 boots of stage 3 ended without a verdict: " +
			"stage 3, without the overrides changed since the last good boot"}, stages.Select(s))
}

// Whatever stage a verdict is on, the device does not go back to the stage whose boots ended without one.
func TestVerdictsEndTheLadder(t *testing.T) {
	now := time.Unix(0, 0)
	for rung, boots := range map[stages.Rung]int{stages.NoOverrides: 5, stages.RollbackStage: 7, stages.FactoryStage: 9} {
		t.Run(fmt.Sprint(rung), func(t *testing.T) {
			s := judged(boots)
			chosen := stages.Select(s)
			s.Staged = s.Staged.WithVerdict(chosen.Stage, stages.Good)
			s.State = s.State.WithVerdict(chosen.Stage, stages.Good, now)
			next := stages.Select(s)
			require.Equal(t, chosen.Stage, next.Stage)
			require.Equal(t, stages.AllOverrides, next.Rung)
		})
	}
}

// The ladder of an older stage leads to the factory stage, too, while the current stage cannot be mounted.
func TestLadderOfAnOlderStage(t *testing.T) {
	disk := fstest.MapFS{
		"forklift-stage-store.yml": file("staged: {next: 6, history: [5, 6], names: {factory-reset: 1}}"),
		"boot-state.json":          file(`{"version": 1, "stages": {"5": {"attempts": 9, "result": "good"}, "6": {"result": "good", "unusable": "mount failed"}}}`),
	}
	for _, n := range []string{"1", "5", "6"} {
		disk[n+"/forklift-bundle.yml"] = file(manifest)
	}
	s, err := stages.Load(disk)
	require.NoError(t, err)
	require.Equal(t, 1, stages.Select(s).Stage)
}
