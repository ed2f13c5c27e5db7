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
