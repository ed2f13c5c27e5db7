// Package uml runs tests in User Mode Linux, a kernel of their own: they may set its clock, and grow a mounted file
// system, which takes a right that even root may not have. It is for tests only.
//
// See https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html.
package uml

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// Machine is a User Mode Linux machine, on which a test can use real block devices and kernel features as root. It
// shares the host's file system, so a test should write only to a tmpfs or to the machine's disks.
type Machine struct {
	Memory  string   // such as 512M
	Disks   []string // files: the disks ubda, ubdb, …
	Options []string // further ones of the kernel
	Before  string   // shell commands that are run before the test, with /proc and /sys mounted
	After   string   // and after it
}

// first is the first process. The binary may lie where something is mounted over it, so it is opened before.
const first = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
exec 3<'%s'
%s
/proc/self/fd/3 -test.v -test.run='^%s$'
%s
echo o >/proc/sysrq-trigger
sleep 60
`

// Run boots the machine, runs one test of this binary in it, and returns the console output, in which the caller finds
// whether the test passed. If linux.uml is not installed, the calling test is skipped, or fails in strict mode.
func (m Machine) Run(t *testing.T, test string) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	script := filepath.Join(t.TempDir(), "init")
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, first, self, strings.TrimSpace(m.Before), test, m.After), 0o755))
	args := append([]string{"mem=" + m.Memory, "root=/dev/root", "rootfstype=hostfs", "rw", "init=" + script, "con=null",
		"con0=null,fd:1", "panic=1"}, m.Options...)
	for i, disk := range m.Disks {
		args = append(args, fmt.Sprintf("ubd%d=%s", i, disk))
	}
	cmd := exec.CommandContext(t.Context(), needs.Program(t, "linux.uml"), args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // where it keeps its socket
	out, err := cmd.CombinedOutput()
	t.Logf("%s: %v\n%s", cmd, err, out)
	return string(out)
}
