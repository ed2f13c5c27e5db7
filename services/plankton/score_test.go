package plankton

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// square returns the runs of a square.
func square(x, y, size int) []Run {
	var runs []Run
	for i := range size {
		runs = append(runs, Run{y + i, x, x + size})
	}
	return runs
}

func TestScore(t *testing.T) {
	truth := Truth{Objects: []Object{
		{ID: 1, Area: 100, Runs: square(0, 0, 10)},
		{ID: 2, Area: 100, Runs: square(20, 0, 10)},
		{ID: 3, Area: 100, Runs: square(40, 0, 10)},
		{ID: 4, Area: 4, Runs: square(60, 0, 2)}, // too small to count
	}}
	var s Score
	s.Add(truth, [][]Run{
		square(0, 0, 10),   // exact
		square(22, 0, 10),  // IoU 80/120
		square(46, 0, 10),  // IoU 40/160: wrong
		square(60, 0, 2),   // the small one
		square(100, 50, 3), // wrong
	}, 50)
	require.Equal(t, 3, s.Objects)
	require.Equal(t, 2, s.Found)
	require.Equal(t, 3, s.Correct)
	require.Equal(t, 2, s.Wrong)
	require.InDelta(t, 2.0/3, s.Recall(), 1e-9)
	require.InDelta(t, 3.0/5, s.Precision(), 1e-9)
	require.InDelta(t, (1+1+2.0/3)/3, s.MeanIoU(), 1e-9)
	require.InDelta(t, 5.0/3, s.CountRatio(), 1e-9)
	require.Equal(t, 1.0, Score{}.Recall())
}

func TestOverlap(t *testing.T) {
	require.Equal(t, 1.0, Overlap(square(3, 4, 5), square(3, 4, 5)))
	require.Equal(t, 0.0, Overlap(square(0, 0, 2), square(2, 2, 2)))
	require.Equal(t, 0.0, Overlap(nil, nil))
	// several runs in a row
	a := []Run{{0, 0, 2}, {0, 4, 6}, {1, 0, 1}}
	b := []Run{{0, 1, 5}, {2, 0, 9}}
	require.InDelta(t, 2.0/(5+13-2), Overlap(a, b), 1e-9)
}
