package powercut_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

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
