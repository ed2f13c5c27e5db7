package needs

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Binfmt runs a test of this binary as root of a new user namespace with an empty binfmt_misc and further environment
// variables (NAME=value), and returns its output. size is the number of user IDs in the namespace. If the test fails, the
// calling one fails; before Linux 6.7 the calling test is skipped, or fails in strict mode.
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
