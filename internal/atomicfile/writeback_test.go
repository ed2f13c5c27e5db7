package atomicfile

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWritebackStartsEarly writes several windows, and again after a truncation.
func TestWritebackStartsEarly(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	defer f.Close()
	e := &Writeback{File: f}
	piece := bytes.Repeat([]byte("data"), 1<<20)
	for range 2 {
		require.NoError(t, f.Truncate(0))
		for at := int64(0); at < 2*writebackWindow; at += int64(len(piece)) {
			_, err := e.WriteAt(piece, at)
			require.NoError(t, err)
			end := at + int64(len(piece))
			require.Less(t, end-e.started, int64(writebackWindow), "writeback was started")
			require.LessOrEqual(t, e.started, end)
		}
		require.EqualValues(t, 2*writebackWindow, e.started)
	}
	got, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.True(t, bytes.Equal(bytes.Repeat(piece, 2*writebackWindow/len(piece)), got))
}
