package debian

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestPackageEscapes installs a package whose postinst tries to reach the building machine in 25 ways. Each would do no harm
// if it succeeded: modes, times and settings are set to what they are. What a sandbox lets no process do has its tests in
// layers/sandbox.
func TestPackageEscapes(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	l := testLayer()
	l.Lock = baseLock(t, env, l)
	const denied, forbidden, readOnly, missing = "Operation not permitted", "Permission denied", "Read-only file system", "No such file or directory"
	calls := map[string]struct {
		perl    string // is true if the attempt succeeded
		stopped string
	}{
		"change a device node":   {`chmod 0666, "/dev/full"`, denied},
		"own a device node":      {`chown 0, 0, "/dev/null"`, denied},
		"time of a device node":  {`utime undef, 1, "/dev/zero"`, denied},
		"create a device node":   {call(unix.SYS_MKNODAT, `-100, "/disk"`, unix.S_IFBLK, unix.Mkdev(7, 250)), denied},
		"mount":                  {call(unix.SYS_MOUNT, `"x", "/tmp", "tmpfs"`, 0, 0), denied},
		"bind":                   {call(unix.SYS_MOUNT, `"/proc", "/tmp", ""`, unix.MS_BIND, 0), denied},
		"unmount":                {call(unix.SYS_UMOUNT2, `"/dev/full"`, 0), denied},
		"pivot_root":             {call(unix.SYS_PIVOT_ROOT, `".", "."`), denied},
		"user namespace":         {call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER), denied},
		"mount namespace":        {call(unix.SYS_UNSHARE, unix.CLONE_NEWNS), denied},
		"root of the supervisor": {`open F, "<", "/proc/1/root/etc/passwd"`, forbidden},
		"memory":                 {`open F, "<", "/proc/1/mem"`, forbidden},
		"ptrace":                 {call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1, 0, 0), denied},
		"kernel setting":         {`open F, ">", "/proc/sys/kernel/printk_ratelimit"`, readOnly},
		"sysrq":                  {`open F, ">", "/proc/sysrq-trigger"`, readOnly + "|" + missing},
		"binary format":          {`open F, ">", "/proc/sys/fs/binfmt_misc/register"`, readOnly + "|" + missing},
		"sysfs":                  {`open F, ">", "/sys/kernel/mm/ksm/run"`, readOnly + "|" + missing},
		"key":                    {call(unix.SYS_ADD_KEY, `"user", "pkbuild-test", "x"`, 1, -3), denied},
		"module":                 {call(unix.SYS_DELETE_MODULE, `"none"`, 0), denied},
		"reboot":                 {call(unix.SYS_REBOOT, 0, 0, 0, 0), denied},
		"swap":                   {call(unix.SYS_SWAPOFF, `"/none"`), denied},
		"host name":              {call(unix.SYS_SETHOSTNAME, `"x"`, 1), denied},
		"kernel log":             {call(unix.SYS_SYSLOG, unix.SYSLOG_ACTION_SIZE_BUFFER, 0, 0), denied},
		"packets":                {call(unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0), "Address family not supported by protocol"},
		"network":                {`socket(S, 2, 1, 0) && connect(S, pack("Sna4x8", 2, 22, pack("C4", 192, 0, 2, 1)))`, "Network is unreachable"},
	}
	require.Len(t, calls, 25)
	var script strings.Builder
	script.WriteString("#!/usr/bin/perl\nsub call { my ($n, @a) = @_; syscall($n, @a) }\nopen my $out, '>', '/opt/attempts';\n")
	for name, c := range calls {
		fmt.Fprintf(&script, "$! = 0; print $out %q, ((%s) ? 'succeeded' : \"$!\"), \"\\n\";\n", name+": ", c.perl)
	}
	script.WriteString("system 'setsid sleep 3333 &';\n")
	l.Lock.addPackage(t, "escaper", map[string]string{"postinst": script.String()})
	own := *env
	own.Scratch = t.TempDir()
	var warnings []string
	own.Progress = collectWarnings(&warnings)
	files, err := l.Make(t.Context(), &own, nil)
	require.NoError(t, err)
	text, err := files.ReadFile("opt/attempts")
	require.NoError(t, err)
	seen := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, stopped, _ := strings.Cut(strings.TrimSpace(line), ": ")
		seen[name] = stopped
	}
	for name, c := range calls {
		require.Regexp(t, "^("+c.stopped+")$", seen[name], name)
	}
	require.Len(t, warnings, 1)
	require.Regexp(t, `^process \d+ \(.*sleep 3333\) was left running by the postinst of the package escaper: pkbuild ended it$`, warnings[0])
}

// call is a system call in Perl, which is true if it succeeded.
func call(number int, args ...any) string {
	text := fmt.Sprint("call(", number)
	for _, a := range args {
		text += ", " + fmt.Sprint(a)
	}
	return text + ") >= 0"
}
