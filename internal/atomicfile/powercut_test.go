package atomicfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/powercut"
)

func TestRemoveSurvivesPowerCut(t *testing.T) {
	name := func(dir string) string { return filepath.Join(dir, "reset.json") }
	powercut.After(t,
		func(dir string) { require.NoError(t, os.WriteFile(name(dir), nil, 0o644)) },
		func(dir string) { require.NoError(t, atomicfile.Remove(name(dir))) },
		func(dir string) { require.NoFileExists(t, name(dir)) })
	require.ErrorIs(t, atomicfile.Remove(name(t.TempDir())), fs.ErrNotExist)
}

// TestFileSurvivesPowerCut writes a file in every way, and finds it whole after a power cut.
func TestFileSurvivesPowerCut(t *testing.T) {
	fill := func(f *os.File) error {
		_, err := f.WriteString("new")
		return err
	}
	for name, write := range map[string]func(file string) error{
		"Write":   func(file string) error { return atomicfile.Write(file+"2", []byte("new"), 0o644) },
		"Replace": func(file string) error { return atomicfile.Replace(t.Context(), file, fill) },
		"Produce": func(file string) error { return atomicfile.Produce(t.Context(), file+"2", fill) },
		"Rename":  func(file string) error { return atomicfile.Rename(file, file+"2") },
	} {
		t.Run(name, func(t *testing.T) {
			old := "old"
			if name == "Rename" {
				old = "new"
			}
			powercut.After(t,
				func(dir string) { require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte(old), 0o644)) },
				func(dir string) { require.NoError(t, write(filepath.Join(dir, "f"))) },
				func(dir string) {
					file := filepath.Join(dir, "f")
					if name != "Replace" {
						file += "2"
					}
					got, err := os.ReadFile(file)
					require.NoError(t, err)
					require.Equal(t, "new", string(got))
				})
		})
	}
}

// TestPowerCutBeforeCommit finds the old content.
func TestPowerCutBeforeCommit(t *testing.T) {
	name := func(dir string) string { return filepath.Join(dir, "f") }
	powercut.After(t,
		func(dir string) { require.NoError(t, os.WriteFile(name(dir), []byte("old"), 0o644)) },
		func(dir string) {
			p, err := atomicfile.Create(t.Context(), name(dir))
			require.NoError(t, err)
			defer func() { _ = p.File.Close() }()
			_, err = p.WriteString("new")
			require.NoError(t, err)
			require.NoError(t, p.Sync())
			require.NoError(t, atomicfile.SyncDir(dir))
		},
		func(dir string) {
			got, err := os.ReadFile(name(dir))
			require.NoError(t, err)
			require.Equal(t, "old", string(got))
			require.NoError(t, atomicfile.Write(name(dir), []byte("later"), 0o644), "the leftover is no obstacle")
		})
}
