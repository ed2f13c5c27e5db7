package segmenter

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/dataset"
	"github.com/PlanktoScope/pkbuild/services/plankton"
)

// score compares what a method finds in a sample with the ground truth.
func score(t *testing.T, dir string, m Method) plankton.Score {
	t.Helper()
	found := segmentAll(t, dir, Settings{Method: m})
	names, err := dataset.Pictures(dir)
	require.NoError(t, err)
	var s plankton.Score
	for _, name := range names {
		truth, err := plankton.ReadTruth(dir, name)
		require.NoError(t, err)
		var runs [][]plankton.Run
		for _, o := range found[name] {
			runs = append(runs, o.runs)
		}
		s.Add(truth, runs, scale{truth.PixelSize, 20}.minArea())
	}
	return s
}

// TestAdaptive: on the samples for which there is the adaptive method, it finds more objects and better outlines.
func TestAdaptive(t *testing.T) {
	for _, sample := range plankton.Samples() {
		gain, measured := map[string]float64{"dense": 0.05, "light": 0.15, "faint": 0.02}[sample.Name]
		if !measured {
			continue
		}
		dir := filepath.Join(t.TempDir(), sample.Name)
		require.NoError(t, sample.Write(context.Background(), dir))
		standard, adaptive := score(t, dir, Standard), score(t, dir, Adaptive)
		t.Logf("%s: recall %.3f, standard %.3f; precision %.3f, standard %.3f; IoU %.2f, standard %.2f", sample.Name,
			adaptive.Recall(), standard.Recall(), adaptive.Precision(), standard.Precision(), adaptive.MeanIoU(), standard.MeanIoU())
		require.Greater(t, adaptive.Recall(), standard.Recall()+gain)
		require.Greater(t, adaptive.MeanIoU(), standard.MeanIoU()+0.03)
		require.Greater(t, adaptive.Precision(), 0.8)
	}
}
