package segmenter

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/powercut"
)

// TestPowerCuts cuts the power at 50 moments of a segmentation. After each, the segmentation continues with what was stored,
// and its results are those of one without a cut.
func TestPowerCuts(t *testing.T) {
	dir := small(t, 30, 4, nil)
	segment := func(output string, events func(Event)) error {
		_, err := Segment(context.Background(), dir, Settings{EcoTaxa: true}, Options{Output: output, Path: "a/b", Version: "1", Now: now, Events: events})
		return err
	}
	want := t.TempDir()
	require.NoError(t, segment(want, nil))
	complete, partly := 0, 0
	powercut.During(t, 64<<20, 50, func(mount string, cut func(func())) {
		cut(func() { require.NoError(t, segment(filepath.Join(mount, "data"), nil)) })
	}, func(mount string, cut int) {
		output := filepath.Join(mount, "data")
		if _, err := os.Stat(filepath.Join(output, "export/ecotaxa/ecotaxa_small.zip")); err == nil {
			complete++
		}
		pictures := 0
		require.NoError(t, segment(output, func(e Event) {
			if e.Kind == PictureDone || e.Kind == PictureSkipped {
				pictures++
			}
		}), "after cut %d", cut)
		if 0 < pictures && pictures < 30 {
			partly++
		}
		require.Equal(t, sums(t, want), sums(t, output), "after cut %d", cut)
	})
	t.Logf("%d cuts after the end, %d continued in the middle", complete, partly)
	require.Positive(t, complete)
	require.Positive(t, partly, "no cut in the middle")
}
