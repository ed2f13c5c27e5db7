package lock

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestDestination(t *testing.T) {
	dir := t.TempDir()
	recipe := filepath.Join(dir, "buoy.yml")
	require.NoError(t, os.Symlink("shared.lock", FileName(recipe)))
	require.NoError(t, Write(recipe, sample()))
	info, err := os.Lstat(FileName(recipe))
	require.NoError(t, err)
	require.Equal(t, os.ModeSymlink, info.Mode().Type())
	l, err := Read(filepath.Join(dir, "shared"))
	require.NoError(t, err)
	require.Equal(t, sample(), l)

	require.NoError(t, os.Mkdir(FileName(filepath.Join(dir, "dir.yml")), 0o755))
	require.EqualError(t, Write(filepath.Join(dir, "dir.yml"), sample()), "output "+dir+"/dir.yml.lock is a directory: name a file in it")
	require.NoError(t, unix.Mkfifo(FileName(filepath.Join(dir, "pipe.yml")), 0o600))
	_, err = Destination(filepath.Join(dir, "pipe.yml"))
	require.EqualError(t, err, "output "+dir+"/pipe.yml.lock is a stream, and a lock is not written front to back: write to a regular file")
}
