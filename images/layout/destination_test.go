package layout

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// TestArchiveDestinations: a symlink's target is written, a pipe gets the same bytes, and a device stays one.
func TestArchiveDestinations(t *testing.T) {
	dir := t.TempDir()
	link, pipe := filepath.Join(dir, "link.tar"), filepath.Join(dir, "pipe")
	require.NoError(t, os.Symlink("target.tar", link))
	put(t, "oci-archive:"+link+":1", "a")
	want, err := os.ReadFile(filepath.Join(dir, "target.tar"))
	require.NoError(t, err)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, os.ModeSymlink, info.Mode().Type())

	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	got := make(chan []byte)
	go func() {
		data, _ := os.ReadFile(pipe)
		got <- data
	}()
	put(t, "oci-archive:"+pipe+":1", "a")
	require.Equal(t, want, <-got)

	needs.Root(t)
	disk := filepath.Join(dir, "sdx")
	require.NoError(t, unix.Mknod(disk, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 250))))
	img, open := fake(t, "a")
	to, err := Parse("oci-archive:" + disk)
	require.NoError(t, err)
	require.ErrorContains(t, to.Write(t.Context(), img, open, nil), "output "+disk+" is a block device: ")
	info, err = os.Lstat(disk)
	require.NoError(t, err)
	require.Equal(t, os.ModeDevice, info.Mode().Type())
}
