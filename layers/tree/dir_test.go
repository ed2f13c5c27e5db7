package tree_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	when := time.Unix(-5, 123_456_789).UTC()
	require.NoError(t, os.MkdirAll(at("d/e"), 0o755))
	require.NoError(t, os.Chmod(at("d/e"), 0o755|os.ModeSticky))
	require.NoError(t, os.WriteFile(at("d/f"), []byte("content"), 0o600))
	require.NoError(t, os.Chmod(at("d/f"), 0o741|os.ModeSetuid))
	require.NoError(t, unix.Setxattr(at("d/f"), "user.empty", nil, 0))
	require.NoError(t, unix.Setxattr(at("d/f"), "user.x", []byte("a\x00b"), 0))
	require.NoError(t, os.Link(at("d/f"), at("d/e/hard")))
	require.NoError(t, os.Symlink("../nowhere", at("l")))
	require.NoError(t, unix.Mkfifo(at("fifo"), 0o644))
	require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, at("d/f"), []unix.Timespec{{}, unix.NsecToTimespec(when.UnixNano())}, 0))
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer unix.Close(socket)
	require.NoError(t, unix.Bind(socket, &unix.SockaddrUnix{Name: at("s")}))

	files, err := tree.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, []string{
		"d d", "d d/e", "f d/e/hard content", "h d/f d/e/hard", "fifo fifo", "l l ../nowhere", "socket s",
	}, listTree(t, files))
	f := files.Get("d/f")
	require.Equal(t, uint32(0o4741), f.Mode)
	require.Equal(t, uint32(os.Getuid()), f.UID)
	require.Equal(t, uint32(os.Getgid()), f.GID)
	require.Equal(t, when, f.ModTime)
	require.Equal(t, "a\x00b", f.Xattrs["user.x"])
	require.Contains(t, f.Xattrs, "user.empty")
	require.Equal(t, uint32(0o1755), files.Get("d/e").Mode)
}

func TestReadDirDevices(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		needs.Unavailable(t, "only root may make devices: %v", err)
	}
	require.NoError(t, unix.Mknod(filepath.Join(dir, "disk"), unix.S_IFBLK|0o660, int(unix.Mkdev(259, 70000))))
	require.NoError(t, unix.Lsetxattr(filepath.Join(dir, "null"), "trusted.x", []byte("y"), 0))
	require.NoError(t, os.Lchown(filepath.Join(dir, "disk"), 1<<32-2, 7))
	files, err := tree.ReadDir(dir)
	require.NoError(t, err)
	null, disk := files.Get("null"), files.Get("disk")
	require.Equal(t, [2]uint32{1, 3}, [2]uint32{null.Major, null.Minor})
	require.Equal(t, "y", null.Xattrs["trusted.x"])
	require.Equal(t, [4]uint32{259, 70000, 1<<32 - 2, 7}, [4]uint32{disk.Major, disk.Minor, disk.UID, disk.GID})
	require.Equal(t, tree.Block, disk.Type)
}

// More files than a process can have open are read, in any order.
func TestReadDirOpensOneFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(name), 100), 0o600))
	}
	files, err := tree.ReadDir(dir)
	require.NoError(t, err)
	open := countOpen(t)
	for range 3 {
		for _, name := range []string{"a", "b"} {
			data, err := io.ReadAll(files.Get(name).Content.Reader())
			require.NoError(t, err)
			require.Equal(t, bytes.Repeat([]byte(name), 100), data)
			require.Equal(t, open+1, countOpen(t))
		}
	}
}

func countOpen(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

func TestReadDirHoles(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "f"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(1<<30))
	_, err = f.WriteAt([]byte("data"), 512<<20)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	files, err := tree.ReadDir(dir)
	require.NoError(t, err)
	content := files.Get("f").Content
	holes := content.ReaderAt.(interface {
		NextData(int64) (int64, int64, error)
	})
	start, end, err := holes.NextData(0)
	require.NoError(t, err)
	require.LessOrEqual(t, start, int64(512<<20))
	require.Greater(t, start, int64(0))
	require.GreaterOrEqual(t, end, int64(512<<20+4))
	start, _, err = holes.NextData(end)
	require.NoError(t, err)
	require.Equal(t, content.Size, start)
}

func TestReadDirErrors(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	_, err := tree.ReadDir(filepath.Join(dir, "none"))
	require.EqualError(t, err, "read directory: stat "+dir+"/none/: no such file or directory")
	_, err = tree.ReadDir(name)
	require.EqualError(t, err, "read directory: stat "+name+"/: not a directory")

	files, err := tree.ReadDir(dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, []byte("longer"), 0o600))
	_, err = io.ReadAll(files.Get("f").Content.Reader())
	require.EqualError(t, err, name+" changed while it was read")
	require.NoError(t, os.Remove(name))
	_, err = io.ReadAll(files.Get("f").Content.Reader())
	require.EqualError(t, err, "open "+name+": no such file or directory")
	require.NoError(t, os.Symlink("/etc/passwd", name))
	_, err = io.ReadAll(files.Get("f").Content.Reader())
	require.EqualError(t, err, "open "+name+": too many levels of symbolic links", "what was a file is not followed")
}
