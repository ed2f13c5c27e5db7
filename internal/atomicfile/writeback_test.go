package atomicfile

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEager writes more than is left to the kernel, from the beginning, and once more after it was cut off.
func TestEager(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	defer f.Close()
	e := &Writeback{File: f}
	piece := bytes.Repeat([]byte("data"), 1<<20)
	for range 2 {
		require.NoError(t, f.Truncate(0))
		for at := int64(0); at < 2*ahead; at += int64(len(piece)) {
			_, err := e.WriteAt(piece, at)
			require.NoError(t, err)
			end := at + int64(len(piece))
			require.Less(t, end-e.begun, int64(ahead), "the kernel was told")
			require.LessOrEqual(t, e.begun, end)
		}
		require.EqualValues(t, 2*ahead, e.begun)
	}
	got, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.True(t, bytes.Equal(bytes.Repeat(piece, 2*ahead/len(piece)), got))
}
