package builder

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestUnchangedImageIsNotWritten builds again without changes, and after each change that must be detected.
func TestUnchangedImageIsNotWritten(t *testing.T) {
	p, o := small(t)
	build := func() bool {
		t.Helper()
		before, err := os.Stat(o.Output)
		require.NoError(t, err)
		ended, err := run(t, t.Context(), p, o)
		require.NoError(t, err)
		after, err := os.Stat(o.Output)
		require.NoError(t, err)
		same := os.SameFile(before, after)
		require.Equal(t, same, ended[len(ended)-1] == "disk cached")
		require.Contains(t, ended, "users warning", "that there is no password")
		return !same
	}
	_, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.False(t, build())

	for name, change := range map[string]func(){
		"image": func() {
			f, err := os.OpenFile(o.Output, os.O_WRONLY, 0)
			require.NoError(t, err)
			info, err := f.Stat()
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("x"), 1000)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			require.NoError(t, os.Chtimes(o.Output, time.Time{}, info.ModTime()))
		},
		"checksum":  func() { require.NoError(t, os.WriteFile(o.Output+".sha256", nil, 0o644)) },
		"block map": func() { require.NoError(t, os.Remove(o.Output+".bmap")) },
		"plan":      func() { p.Disk.Partitions[1].Label = "another" },
		"layer": func() {
			require.NoError(t, filepath.WalkDir(o.Cache, func(name string, d fs.DirEntry, err error) error {
				if err == nil && strings.HasSuffix(name, ".tar") {
					err = os.Remove(name)
				}
				return err
			}))
		},
	} {
		change()
		require.True(t, build(), name)
		require.False(t, build(), name)
	}
}

func TestImageWithASecretIsAlwaysWritten(t *testing.T) {
	t.Setenv("PKBUILD_TEST_WORD", "a password")
	p, o := small(t)
	for range 2 {
		ended, err := run(t, t.Context(), p, o)
		require.NoError(t, err)
		require.Equal(t, "disk done", ended[len(ended)-1])
	}
}
