package output

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// node makes a private device node: the machine's own must not be at risk in a test.
func node(t *testing.T, name string, mode uint32, major, minor uint32) string {
	t.Helper()
	needs.Root(t)
	name = filepath.Join(t.TempDir(), name)
	require.NoError(t, unix.Mknod(name, mode|0o600, int(unix.Mkdev(major, minor))))
	return name
}

func text(s string) func(*os.File) error {
	return func(f *os.File) error { _, err := f.WriteString(s); return err }
}

func write(t *testing.T, name, content string) error {
	t.Helper()
	d, err := Resolve(name)
	if err != nil {
		return err
	}
	return d.Write(t.Context(), text(content))
}

func requireContent(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func TestRegularFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	for _, content := range []string{"new", "replaced"} {
		require.NoError(t, write(t, name, content))
		requireContent(t, name, content)
	}
	d, err := Resolve(name)
	require.NoError(t, err)
	require.EqualError(t, d.Write(t.Context(), func(*os.File) error { return errors.New("no") }), "no")
	requireContent(t, name, "replaced")
}

// TestSymlink: the target of a symlink is written, whether it exists or not, and the symlink stays.
func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	link, second := filepath.Join(dir, "link"), filepath.Join(dir, "second")
	require.NoError(t, os.Symlink("sub/target", link))
	require.NoError(t, os.Symlink(link, second))
	for _, content := range []string{"new", "replaced"} {
		require.NoError(t, write(t, second, content))
		requireContent(t, filepath.Join(dir, "sub/target"), content)
	}
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, os.ModeSymlink, info.Mode().Type())

	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink("loop", loop))
	require.ErrorContains(t, write(t, loop, ""), "too many levels of symbolic links")
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	require.EqualError(t, write(t, dir, ""), "output "+dir+" is a directory: name a file in it")
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(".", link))
	require.EqualError(t, write(t, link, ""), "output "+link+" is a directory: name a file in it")

	require.EqualError(t, write(t, dir+"/new/", ""), "output "+dir+"/new/ is a directory: name a file in it")

	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	require.EqualError(t, write(t, socket, ""), "output "+socket+" is a socket: write to a file or a pipe")

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, write(t, file+"/x", ""), "not a directory")
}

// TestBlockDevice: a block device is refused with the command that writes to it, and stays.
func TestBlockDevice(t *testing.T) {
	name := node(t, "sdx", unix.S_IFBLK, 7, 250)
	link := filepath.Join(filepath.Dir(name), "link")
	require.NoError(t, os.Symlink(name, link))
	require.EqualError(t, write(t, name, ""), "output "+name+" is a block device: write to a file, and then run: bmaptool copy FILE "+
		name+" (with --nobmap if there is no FILE.bmap)")
	require.ErrorContains(t, write(t, link, ""), " is a block device: ")
	info, err := os.Lstat(name)
	require.NoError(t, err)
	require.Equal(t, os.ModeDevice, info.Mode().Type())
}

// TestCharacterDevice writes to a null device of its own.
func TestCharacterDevice(t *testing.T) {
	name := node(t, "null", unix.S_IFCHR, 1, 3)
	d, err := Resolve(name)
	require.NoError(t, err)
	require.True(t, d.IsStream())
	require.False(t, d.IsStdout())
	require.NoError(t, write(t, name, "gone"))
	info, err := os.Lstat(name)
	require.NoError(t, err)
	require.Equal(t, os.ModeDevice|os.ModeCharDevice, info.Mode().Type())
	require.EqualError(t, d.RequireFile("an image"), "output "+name+" is a stream, and an image is not written front to back: write to a regular file")
}

// TestPipe writes to a named pipe, and waits for its reader.
func TestPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(name, 0o600))
	d, err := Resolve(name)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.EqualError(t, d.Write(ctx, text("")), "wait for a reader of "+name+": context deadline exceeded")

	got := make(chan string)
	go func() {
		data, err := os.ReadFile(name)
		if err != nil {
			data = []byte(err.Error())
		}
		got <- string(data)
	}()
	require.NoError(t, d.Write(t.Context(), text("through the pipe")))
	require.Equal(t, "through the pipe", <-got)
}

func TestStdout(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer file.Close()
	old := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = old }()
	d, err := Resolve("-")
	require.NoError(t, err)
	require.True(t, d.IsStream())
	require.True(t, d.IsStdout())
	require.NoError(t, d.Write(t.Context(), text("to stdout")))
	requireContent(t, file.Name(), "to stdout")

	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	os.Stdout = w
	d, err = Resolve(fmt.Sprintf("/proc/self/fd/%d", w.Fd()))
	require.NoError(t, err)
	require.True(t, d.IsStdout())
}

func TestRefuseCompressed(t *testing.T) {
	d, err := Resolve(filepath.Join(t.TempDir(), "stage.tar.GZ"))
	require.NoError(t, err)
	require.EqualError(t, d.RefuseCompressed(), "output "+d.Name+": its ending promises gzip, and the file is not compressed: "+
		"choose another ending, and compress the file afterwards")
	d, err = Resolve(filepath.Join(t.TempDir(), "stage.tar"))
	require.NoError(t, err)
	require.NoError(t, d.RefuseCompressed())
}
