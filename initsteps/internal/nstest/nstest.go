// Package nstest runs tests in namespaces of their own, with real mounts. It is for tests only.
package nstest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// rootVariable names the directory in which a child may build a root file system. It is set in the child only.
const rootVariable = "PKINIT_TEST_ROOT"

// Users says whether a test in a namespace runs as root of the machine or of a user namespace.
type Users bool

// The users.
const (
	OwnUsers Users = true  // as root of a user namespace, for which nobody needs to be root
	AsRoot   Users = false // as root of the machine: the test must be
)

// Run runs the calling test once more, in a child process with a mount namespace of its own: in the child it returns an
// empty directory on a tmpfs, in the parent, after the child has ended, "". The parent fails with the child. It skips the
// test where the namespace cannot be made, or fails it if $PKBUILD_TEST_STRICT is set.
func Run(t *testing.T, users Users) string {
	t.Helper()
	if dir := os.Getenv(rootVariable); dir != "" {
		require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"))
		return dir
	}
	if users == AsRoot && os.Getuid() != 0 {
		needs.Unavailable(t, "only root may do what this test does")
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), rootVariable+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if users == OwnUsers {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		needs.Unavailable(t, "namespaces: %v", err)
	}
	require.NoError(t, cmd.Wait(), "child: %s\n%s", cmd, &out)
	require.Contains(t, out.String(), "--- PASS: "+t.Name(), "the child ran the test")
	t.Logf("child:\n%s", &out)
	return ""
}

// Enter makes dir the root directory of the test's process with pivot_root, with /proc and an empty tmpfs on /run. It is
// for the child of Run. It fails the test if dir already has an entry named proc, run or old.
func Enter(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{"proc", "run", "old"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	require.NoError(t, unix.Mount("/proc", filepath.Join(dir, "proc"), "", unix.MS_BIND|unix.MS_REC, ""))
	require.NoError(t, unix.Mount("tmpfs", filepath.Join(dir, "run"), "tmpfs", 0, "mode=0755"))
	require.NoError(t, unix.PivotRoot(dir, filepath.Join(dir, "old")))
	require.NoError(t, os.Chdir("/"))
	require.NoError(t, unix.Unmount("/old", unix.MNT_DETACH))
	require.NoError(t, os.Remove("/old"))
}
