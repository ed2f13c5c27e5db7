// Package needs tells tests what the machine lacks: where PKBUILD_TEST_STRICT is set, as in CI, they fail, elsewhere they
// are skipped with the reason.
package needs

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Unavailable ends a test that cannot run here.
func Unavailable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("PKBUILD_TEST_STRICT") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Root ends a test that is not run by root.
func Root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		Unavailable(t, "needs root")
	}
}

// Program ends a test that lacks a program; see .ci/deps.
func Program(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Unavailable(t, name+" is missing: make deps")
	}
}

// Binfmt starts a test of the running binary as root of a user namespace with a binfmt_misc of its own, which is empty,
// and returns its output. size is the number of users there.
func Binfmt(t *testing.T, size int, test string, env ...string) string {
	t.Helper()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: size}}
	cmd := exec.Command("/bin/sh", "-c", `mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 99; exec "$@"`, "sh",
		os.Args[0], "-test.run", "^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Credential: &syscall.Credential{},
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
	}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() == 99 {
		Unavailable(t, "needs Linux 6.7, where binfmt_misc is a user namespace's own")
	}
	require.NoError(t, err, string(out))
	return string(out)
}
