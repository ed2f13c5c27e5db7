package powercut

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// During calls act with the directory of a new ext4 of size bytes, and a function cut, which act calls once with the
// function that may be interrupted. While that function runs, the device is copied cuts times, each copy at one moment; the
// last tenth of the copies is made right after it has returned. Then During calls check for each copy, in the order of the
// moments and with its number from 0, with the directory of the file system as a power cut at that moment leaves it. The
// file system commits its metadata every second, and contents later.
func During(t *testing.T, size int64, cuts int, act func(dir string, cut func(interrupted func())), check func(dir string, cut int)) {
	t.Helper()
	needs.Root(t)
	files := reflinks(t, 2*size)
	work := filepath.Join(files, "work.img")
	require.NoError(t, os.WriteFile(work, nil, 0o600))
	require.NoError(t, os.Truncate(work, size))
	out, err := exec.Command(needs.Program(t, "mke2fs"), "-q", "-t", "ext4", "-b", "4096", work).CombinedOutput()
	require.NoError(t, err, "%s", out)
	copies := make([]string, cuts)
	for i := range copies {
		copies[i] = filepath.Join(files, fmt.Sprint(i, ".img"))
	}
	mount(t, work, "loop,commit=1", func(dir string) {
		act(dir, func(interrupted func()) {
			done, copied := make(chan struct{}), make(chan error, 1)
			go func() { copied <- copyAll(work, copies, done) }()
			interrupted()
			close(done)
			require.NoError(t, <-copied)
		})
	})
	for i, name := range copies {
		mount(t, name, "loop", func(dir string) { check(dir, i) })
		require.NoError(t, os.Remove(name))
	}
}

// reflinks returns the directory of a file system that copies a file at one moment, while it is written.
func reflinks(t *testing.T, size int64) string {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "xfs.img"), t.TempDir()
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, max(size, 512<<20)))
	for _, args := range [][]string{{needs.Program(t, "mkfs.xfs"), "-q", "-m", "reflink=1", image}, {"mount", "-o", "loop", image, dir}} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

// copyAll copies a file under some names: nine tenths of them within two seconds, the rest once done is closed.
func copyAll(from string, to []string, done chan struct{}) error {
	for i, name := range to {
		if i == len(to)-max(1, len(to)/10) {
			<-done
		}
		if err := clone(from, name); err != nil {
			return err
		}
		select {
		case <-done:
		case <-time.After(2 * time.Second / time.Duration(len(to))):
		}
	}
	return nil
}

func clone(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close() // it was only read
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	if err := unix.IoctlFileClone(int(target.Fd()), int(source.Fd())); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return target.Close()
}
