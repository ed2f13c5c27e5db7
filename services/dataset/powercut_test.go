package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/powercut"
)

// TestPowerCuts cuts the power at 50 moments of an acquisition. After each, all listed pictures are complete, none is missing
// between two others, and the acquisition can be continued.
func TestPowerCuts(t *testing.T) {
	const pictures = 60
	name := func(i int) string { return fmt.Sprintf("%03d.jpg", i) }
	content := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 200_000) }
	middle := 0
	powercut.During(t, 64<<20, 50, func(mount string, cut func(func())) {
		cut(func() {
			w, err := Create(context.Background(), filepath.Join(mount, "20260101/s/a"), metadata(t, `{"acq_id":"a"}`))
			require.NoError(t, err)
			for i := range pictures {
				_, err := w.Add(name(i), content(i))
				require.NoError(t, err)
			}
			require.NoError(t, w.Close())
		})
	}, func(mount string, cut int) {
		dir := filepath.Join(mount, "20260101/s/a")
		w, err := Continue(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return // before the data set was created
		}
		require.NoError(t, err, "after cut %d", cut)
		require.NoError(t, Verify(dir), "after cut %d", cut)
		n := len(w.Entries()) - 1
		for i := range n {
			require.Equal(t, name(i), w.Entries()[i+1].Name, "after cut %d", cut)
		}
		if 0 < n && n < pictures {
			middle++
			_, err := w.Add(name(n), content(n))
			require.NoError(t, err)
			require.NoError(t, Verify(dir))
		}
		require.NoError(t, w.Close())
	})
	t.Logf("%d cuts in the middle", middle)
	require.Positive(t, middle, "no cut in the middle")
}
