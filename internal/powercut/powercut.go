// Package powercut shows tests what a power cut leaves of a change: it is made on a real ext4 whose device is copied
// right afterwards, without what was not synced. It needs root, for a loop device and mount(2).
package powercut

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// After tests what a power cut leaves: it calls prepare with the directory of a new ext4, syncs that, and calls act. Then it
// calls check with the directory of a copy of the file system as it was on the device right after act, without what act did
// not sync. Without root the test is skipped.
func After(t *testing.T, prepare, act, check func(dir string)) {
	t.Helper()
	needs.Root(t)
	work, cut := filepath.Join(t.TempDir(), "work.img"), filepath.Join(t.TempDir(), "cut.img")
	require.NoError(t, os.WriteFile(work, nil, 0o600))
	require.NoError(t, os.Truncate(work, 8<<20))
	out, err := exec.Command(needs.Program(t, "mke2fs"), "-q", "-t", "ext4", "-b", "1024", work).CombinedOutput()
	require.NoError(t, err, "%s", out)
	mounted(t, work, prepare) // unmounting syncs
	mounted(t, work, func(dir string) {
		act(dir)
		data, err := os.ReadFile(work)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(cut, data, 0o600))
	})
	mounted(t, cut, check)
}

// mounted mounts an image while a function runs. What is not synced stays in memory for five minutes.
func mounted(t *testing.T, image string, do func(dir string)) {
	t.Helper()
	mount(t, image, "loop,commit=300", do)
}

// mount mounts an image with some options while a function runs.
func mount(t *testing.T, image, options string, do func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-o", options, image, dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	defer unmount(t, dir)
	do(dir)
}

// unmount unmounts a directory. A process that another test starts at this moment holds our files until it runs its program.
func unmount(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool { return unix.Unmount(dir, 0) != unix.EBUSY }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, unix.EINVAL, unix.Unmount(dir, 0), "%s is not mounted any more", dir)
}
