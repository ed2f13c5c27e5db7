package store_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Environment variables that make TestMain run a command that exits before one of its system calls.
const (
	commandVar = "PKBUILD_TEST_STORE_COMMAND"
	dirVar     = "PKBUILD_TEST_STORE_DIR"
	stopVar    = "PKBUILD_TEST_STORE_STOP"
)

// killed is the exit code of a stopped command.
const killed = 137

func TestMain(m *testing.M) {
	if name := os.Getenv(commandVar); name != "" {
		os.Exit(stoppable(name))
	}
	os.Exit(m.Run())
}

// stoppable runs a command in a process that exits, as if killed, before one of its system calls.
func stoppable(name string) int {
	sys, err := store.Linux(os.Getenv(dirVar))
	if err != nil {
		return 2
	}
	stop, err := strconv.Atoi(os.Getenv(stopVar))
	if err != nil {
		return 2
	}
	s, err := store.Open(context.Background(), &counted{sys, stop})
	if err != nil || commands[name].do(s) != nil {
		return 1
	}
	return 0
}

// counted is a System that exits the process before one of its changing calls.
type counted struct {
	store.System
	left int
}

func (c *counted) call() {
	if c.left--; c.left == 0 {
		os.Exit(killed)
	}
}

func (c *counted) Create(name string, mode fs.FileMode) (io.WriteCloser, error) {
	c.call()
	f, err := c.System.Create(name, mode)
	return countedFile{f, c}, err
}

func (c *counted) WriteFile(name string, data []byte, mode fs.FileMode) error {
	c.call()
	return c.System.WriteFile(name, data, mode)
}

func (c *counted) Mkdir(name string, mode fs.FileMode) error {
	c.call()
	return c.System.Mkdir(name, mode)
}

func (c *counted) Symlink(target, name string) error {
	c.call()
	return c.System.Symlink(target, name)
}

func (c *counted) Rename(from, to string) error {
	c.call()
	return c.System.Rename(from, to)
}

func (c *counted) Remove(name string) error {
	c.call()
	return c.System.Remove(name)
}

func (c *counted) SyncDir(name string) error {
	c.call()
	return c.System.SyncDir(name)
}

func (c *counted) SyncAll() error {
	c.call()
	return c.System.SyncAll()
}

type countedFile struct {
	io.WriteCloser
	c *counted
}

func (f countedFile) Write(data []byte) (int, error) {
	f.c.call()
	return f.WriteCloser.Write(data)
}

// TestDeviceIsCut runs commands on a real ext4 whose device is removed before each changing call: unwritten data is lost.
// The file system writes on sync, and otherwise only after minutes.
func TestDeviceIsCut(t *testing.T) {
	needs.Root(t)
	clean := filepath.Join(t.TempDir(), "clean.img")
	mkfs(t, clean)
	withMounted(t, clean, func(dir string) { fillDevice(t, dir) })
	cuts := 0
	for _, name := range []string{"stage", "set next", "next is good", "delete the next", "prune"} {
		t.Run(name, func(t *testing.T) {
			for stop, ended := 1, false; !ended; stop++ {
				cut := filepath.Join(t.TempDir(), "cut.img")
				ended = runUntil(t, clean, name, stop, cut)
				withMounted(t, cut, func(dir string) { checkDevice(t, fmt.Sprintf("%s, call %d", name, stop), dir) })
				require.NoError(t, os.Remove(cut))
				cuts++
			}
		})
	}
	t.Logf("%d cuts", cuts)
}

func mkfs(t *testing.T, image string) {
	t.Helper()
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 8<<20))
	out, err := exec.Command("mke2fs", "-q", "-t", "ext4", "-b", "1024", image).CombinedOutput()
	require.NoError(t, err, string(out))
}

// withMounted mounts an image while a function runs.
func withMounted(t *testing.T, image string, do func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-o", "loop,commit=300", image, dir).CombinedOutput()
	require.NoError(t, err, string(out))
	defer func() { require.NoError(t, unix.Unmount(dir, 0)) }()
	do(dir)
}

// fillDevice creates the same store as device does in memory.
func fillDevice(t *testing.T, dir string) {
	s := openForNow(t, dir)
	for range 4 {
		require.NoError(t, stage(s))
	}
	require.NoError(t, s.Name("factory-reset", 1))
	require.NoError(t, s.Judge(1, stages.Good, at))
	require.NoError(t, s.Judge(2, stages.Good, at))
	require.NoError(t, s.Judge(4, stages.Pending, at))
	require.NoError(t, s.Close())
}

// runUntil runs a command on a copy of an image until it is stopped, and copies the device at that moment. It reports
// whether the command completed.
func runUntil(t *testing.T, image, name string, stop int, cut string) (ended bool) {
	t.Helper()
	work := cut + ".work"
	copyFile(t, image, work)
	defer os.Remove(work)
	withMounted(t, work, func(dir string) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), commandVar+"="+name, dirVar+"="+dir, stopVar+"="+strconv.Itoa(stop))
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != killed {
			require.NoError(t, err, string(out))
			ended = true
		}
		copyFile(t, work, cut)
	})
	return ended
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}

func checkDevice(t *testing.T, when, dir string) {
	t.Helper()
	snapshot, err := stages.Load(os.DirFS(dir))
	require.NoError(t, err, when)
	require.Empty(t, stages.Select(snapshot).Problem, when)
	s := openForNow(t, dir)
	all, err := s.Bundles()
	require.NoError(t, err, when)
	for _, n := range append(all, snapshot.Staged.References()...) {
		differences, err := store.Verify(os.DirFS(dir), n)
		require.NoError(t, err, when)
		require.Empty(t, differences, when)
	}
	require.NoError(t, stage(s), when)
	require.NoError(t, s.Close())
}
