package qemu

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWaited(t *testing.T) {
	proc := t.TempDir()
	for thread, text := range map[string]string{"10": "500 2000000000 7\n", "11": "500 9000000000 7\n", "12": "x"} {
		dir := filepath.Join(proc, "10", "task", thread)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "schedstat"), []byte(text), 0o644))
	}
	require.Equal(t, 9*time.Second, waited(proc, 10))
	require.Zero(t, waited(proc, 99))
	s := stopwatch{pid: -1, start: time.Now().Add(-time.Minute), lost: 10 * time.Second}
	require.InDelta(t, 50, s.elapsed().Seconds(), 1)
}
