package transfer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestDestination(t *testing.T) {
	dir := t.TempDir()
	link, pipe, file := filepath.Join(dir, "link"), filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	require.NoError(t, os.Symlink("target", link))
	to, err := destination(link)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "target"), to.File)

	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, want := range map[string]string{
		dir:             "output " + dir + " is a directory: name a file in it",
		pipe:            "output " + pipe + " is a stream, and an exported stage is not written front to back: write to a regular file",
		file:            "file " + file + " exists: remove it, or choose another name",
		dir + "/new.gz": "output " + dir + "/new.gz: its ending promises gzip, and the file is not compressed: choose another ending, and compress the file afterwards",
	} {
		_, err := destination(name)
		require.EqualError(t, err, want)
	}
}
