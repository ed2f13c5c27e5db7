package powercut_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/powercut"
)

// Without a sync a removed file is back after the cut: otherwise no test that uses the package could fail.
func TestUnsyncedRemoveIsLost(t *testing.T) {
	name := func(dir string) string { return filepath.Join(dir, "file") }
	powercut.After(t,
		func(dir string) { require.NoError(t, os.WriteFile(name(dir), nil, 0o644)) },
		func(dir string) { require.NoError(t, os.Remove(name(dir))) },
		func(dir string) { require.FileExists(t, name(dir)) })
}

// The last cuts are after the end and have all that was synced; the first are not.
func TestCutsAreOfDifferentMoments(t *testing.T) {
	sizes := []int{}
	powercut.During(t, 32<<20, 20,
		func(dir string, cut func(func())) {
			cut(func() {
				for n := range 10 {
					time.Sleep(50 * time.Millisecond)
					require.NoError(t, atomicfile.Write(filepath.Join(dir, string(rune('a'+n))), nil, 0o644))
				}
			})
		},
		func(dir string, cut int) {
			all, err := filepath.Glob(filepath.Join(dir, "?"))
			require.NoError(t, err)
			require.Len(t, sizes, cut)
			sizes = append(sizes, len(all))
		})
	require.Less(t, sizes[0], 10)
	require.Equal(t, 10, sizes[19])
}
