package ext4image

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

func TestDestinations(t *testing.T) {
	dir := t.TempDir()
	link, pipe, disk := filepath.Join(dir, "link"), filepath.Join(dir, "pipe"), filepath.Join(dir, "sdx")
	require.NoError(t, os.Symlink("target", link))
	_, err := Write(t.Context(), Options{Source: source(t), Output: link})
	require.NoError(t, err)
	info, err := os.Lstat(filepath.Join(dir, "target"))
	require.NoError(t, err)
	require.True(t, info.Mode().IsRegular())
	info, err = os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, os.ModeSymlink, info.Mode().Type())

	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	_, err = Write(t.Context(), Options{Source: source(t), Output: pipe})
	require.EqualError(t, err, "output "+pipe+" is a stream, and an ext4 file system is not written front to back: write to a regular file")
	_, err = Write(t.Context(), Options{Source: source(t), Output: dir})
	require.EqualError(t, err, "output "+dir+" is a directory: name a file in it")

	needs.Root(t)
	require.NoError(t, unix.Mknod(disk, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 250))))
	_, err = Write(t.Context(), Options{Source: source(t), Output: disk})
	require.ErrorContains(t, err, "output "+disk+" is a block device: ")
}
