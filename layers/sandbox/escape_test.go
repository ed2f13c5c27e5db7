package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

var date = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestMain lets sandboxes start the test binary as their supervisor, and make attempts with it.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == attemptName {
		makeAttempt()
		return
	}
	Main()
	os.Exit(m.Run())
}

// privateDevices is set in the process that has device nodes of its own in /dev, so that an escape would not change the
// machine's.
const privateDevices = "PKBUILD_TEST_PRIVATE_DEVICES"

// inPrivate runs a test again, in a mount namespace with nodes of its own in /dev, unless it runs there already.
func inPrivate(t *testing.T) (here bool) {
	t.Helper()
	needs.Root(t)
	if os.Getenv(privateDevices) != "" {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), privateDevices+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	t.Log(string(out))
	require.NoError(t, err)
	return false
}

// nodes are the numbers of private device nodes.
var nodes = map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}

func mountNodes(t *testing.T) {
	t.Helper()
	defer unix.Umask(unix.Umask(0))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("dev", "/dev", "tmpfs", 0, "mode=0755"))
	for name, minor := range nodes {
		require.NoError(t, unix.Mknod("/dev/"+name, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))))
	}
	require.NoError(t, unix.Mknod("/dev/tty", unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))))
}

// box is a sandbox with the programs that attempts need.
func box(t *testing.T) Sandbox {
	t.Helper()
	program := filepath.Join(t.TempDir(), attemptName)
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, program))
	files := treetest.Host(t, date, "sh", "true", "sleep", "dd", program)
	require.NoError(t, files.Put("opt/node", &tree.Node{Type: tree.Char, Mode: 0o666, ModTime: date, Major: 1, Minor: 5}))
	aside := tree.New()
	require.NoError(t, aside.Put("input", &tree.Node{Type: tree.Regular, Mode: 0o666, ModTime: date, Content: tree.Inline("in")}))
	return Sandbox{Dir: t.TempDir(), Architecture: Host(), Date: date, Tools: tree.New(), Tree: files, Aside: aside}
}

// outside describes what attempts must not change.
func outside(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for name := range nodes {
		var s unix.Stat_t
		require.NoError(t, unix.Lstat("/dev/"+name, &s))
		fmt.Fprintf(&out, "%s %o %d:%d %x\n", name, s.Mode, s.Uid, s.Gid, s.Rdev)
	}
	for _, name := range []string{"/proc/sys/kernel/hostname", "/proc/sys/kernel/printk_ratelimit", "/proc/swaps", "/proc/self/mounts"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		out.Write(text)
	}
	return strings.Join(slices.Sorted(strings.Lines(out.String())), "")
}

// TestEscapes makes each attempt in a sandbox of its own. What stops it is part of the test: a file that is merely not
// there would prove nothing.
func TestEscapes(t *testing.T) {
	if !inPrivate(t) {
		return
	}
	mountNodes(t)
	null, err := os.Open("/dev/null")
	require.NoError(t, err)
	_, err = unix.Dup(int(null.Fd())) // as programs such as make leave descriptors to those that they start
	require.NoError(t, err)
	marker := filepath.Join(t.TempDir(), "marker")
	require.NoError(t, os.WriteFile(marker, []byte("of the building machine"), 0o644))
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	abstract := fmt.Sprintf("pkbuild-test-%d", os.Getpid())
	listener, err := net.Listen("unix", "@"+abstract)
	require.NoError(t, err)
	defer listener.Close()
	const denied, forbidden, readOnly = "operation not permitted", "permission denied", "read-only file system"
	const missing, unimplemented, refused = "no such file or directory", "function not implemented", "connection refused"
	for name, test := range map[string]struct{ argument, stopped string }{
		"chmod a device node":           {"", denied},
		"chown a device node":           {"", denied},
		"delete a device node":          {"", "device or resource busy"}, // it is a mount point
		"create a device node":          {fmt.Sprint(unix.Mkdev(7, 250)), denied},
		"open a device node of a tree":  {"", "EOF"}, // it is an empty file
		"mount":                         {"", denied},
		"unmount":                       {"", denied},
		"make /proc writable":           {"", denied},
		"make the inputs writable":      {"", denied},
		"write to the inputs":           {"", readOnly},
		"mount by the new calls":        {"", denied},
		"user namespace by unshare":     {"", denied},
		"user namespace by clone":       {"", denied},
		"user namespace by clone3":      {"", unimplemented},
		"mount namespace":               {"", denied},
		"namespace of the supervisor":   {"", forbidden},
		"setns":                         {"", denied},
		"root of the supervisor":        {marker, forbidden},
		"environment of the supervisor": {"", forbidden},
		"descriptors of the supervisor": {"", forbidden},
		"memory of the supervisor":      {"", forbidden},
		"ptrace the supervisor":         {"", denied},
		"leave by chroot":               {marker, missing},
		"inherited descriptors":         {"", "none"},
		"file by handle":                {"", denied},
		"write a kernel setting":        {"", readOnly},
		"open the sysrq trigger":        {"", readOnly + "|" + missing},
		"register a binary format":      {"", readOnly + "|" + missing},
		"write to /sys":                 {"", readOnly},
		"read the kernel log":           {"", denied},
		"open the kernel's memory":      {"", denied + "|" + forbidden + "|" + missing},
		"add a key":                     {"", denied},
		"read the keys of the user":     {"", denied},
		"signal a process outside":      {fmt.Sprint(os.Getpid()), "no such process"},
		"host name":                     {"", denied},
		"clock":                         {"", denied},
		"reboot":                        {"", denied},
		"load a module":                 {"", denied},
		"load a BPF program":            {"", denied},
		"trace the machine":             {"", denied},
		"io_uring":                      {"", unimplemented},
		"swap":                          {"", denied},
		"abstract socket":               {abstract, refused},
		"port of the host":              {tcp.Addr().String(), refused + "|network is unreachable"},
		"packets":                       {"", denied},
		"hypervisor":                    {"", "address family not supported by protocol"},
		"terminal":                      {"", "no such device or address"},
		"raise the limit of processes":  {"", denied},
		"priority":                      {"", forbidden},
		"gain capabilities":             {"", denied},
		"setuid program":                {"", "setuid copy is installed"},
	} {
		t.Run(name, func(t *testing.T) {
			before := outside(t)
			b, out := box(t), []string{}
			_, err := b.Run(t.Context(), func(line string) { out = append(out, line) }, "/usr/bin/attempt", name, test.argument)
			require.NoError(t, err, out)
			require.Len(t, out, 1)
			require.Regexp(t, "^stopped: .*("+test.stopped+")$", out[0])
			require.Equal(t, before, outside(t))
		})
	}
}

// TestNetworkEscapes has the machine's network, as the recipe asked for it, but nothing else of it.
func TestNetworkEscapes(t *testing.T) {
	needs.Root(t)
	abstract := fmt.Sprintf("pkbuild-test-network-%d", os.Getpid())
	listener, err := net.Listen("unix", "@"+abstract)
	require.NoError(t, err)
	defer listener.Close()
	for name, argument := range map[string]string{"abstract socket": abstract, "packets": "", "hypervisor": ""} {
		b, out := box(t), []string{}
		b.Network = true
		_, err := b.Run(t.Context(), func(line string) { out = append(out, line) }, "/usr/bin/attempt", name, argument)
		require.NoError(t, err)
		require.Regexp(t, "^stopped: ", strings.Join(out, "\n"), name)
	}
}

// TestSetuidProgramIsNobodys: a setuid program that a script leaves is not root's on the disk of the building machine.
func TestSetuidProgramIsNobodys(t *testing.T) {
	needs.Root(t)
	b := box(t)
	changes, err := b.Run(t.Context(), nil, "/usr/bin/attempt", "setuid program", "")
	require.NoError(t, err)
	require.EqualValues(t, 0o4755, changes.Get("opt/setuid").Mode)
	require.EqualValues(t, 0, changes.Get("opt/setuid").UID, "in the tree it is root's")
	var s unix.Stat_t
	require.NoError(t, unix.Stat(filepath.Join(b.Dir, "files/upper/opt/setuid"), &s))
	require.EqualValues(t, firstOfRoot, s.Uid)
}

// TestLeftProcess ends a process that a script leaves, and one that takes no notice of SIGTERM.
func TestLeftProcess(t *testing.T) {
	needs.Root(t)
	for name, command := range map[string]string{
		"obedient": `setsid sh -c "exec sleep 3333" & sleep 0.1`,
		"stubborn": `trap "" TERM; (while :; do sleep 3333; done) & sleep 0.1`,
	} {
		t.Run(name, func(t *testing.T) {
			b, warnings := box(t), []string{}
			b.Tree = treetest.Host(t, date, "sh", "sleep", "setsid")
			b.Warn = func(line string) { warnings = append(warnings, line) }
			script := "export DPKG_MAINTSCRIPT_PACKAGE=leaver DPKG_MAINTSCRIPT_NAME=postinst\n" + command + "\necho done >/opt/done"
			changes, err := b.Run(t.Context(), nil, "/bin/sh", "-c", script)
			require.NoError(t, err)
			require.NotNil(t, changes.Get("opt/done"))
			require.Regexp(t, `^process \d+ \(.*\) was left running by the postinst of the package leaver: pkbuild ended it$`, warnings[0])
			require.Contains(t, strings.Join(warnings, "\n"), "(sleep 3333)")
			require.Error(t, exec.Command("pgrep", "-f", "^sleep 3333$").Run())
		})
	}
}

// TestSupervisorEndsWithItsParent kills a process that runs a sandbox.
func TestSupervisorEndsWithItsParent(t *testing.T) {
	needs.Root(t)
	if os.Getenv(privateDevices) == "parent" {
		b := box(t)
		_, err := b.Run(t.Context(), func(line string) { fmt.Println(line) }, "/bin/sh", "-c", "echo started; sleep 5555")
		require.NoError(t, err)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestSupervisorEndsWithItsParent$", "-test.v")
	cmd.Env = append(os.Environ(), privateDevices+"=parent")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for in := bufio.NewScanner(out); in.Scan() && in.Text() != "started"; {
	}
	sleeping := func() bool { return exec.Command("pgrep", "-f", "^sleep 5555$").Run() == nil }
	require.Eventually(t, sleeping, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return !sleeping() }, 10*time.Second, 10*time.Millisecond)
}

// TestProcessThatEndsItself is none to warn of.
func TestProcessThatEndsItself(t *testing.T) {
	needs.Root(t)
	b := box(t)
	b.Warn = func(line string) { t.Error(line) }
	_, err := b.Run(t.Context(), nil, "/bin/sh", "-c", "sleep 0.2 &")
	require.NoError(t, err)
}

// TestForkBomb ends with the limit of processes; all are gone afterwards.
func TestForkBomb(t *testing.T) {
	needs.Root(t)
	b := box(t)
	_, err := b.Run(t.Context(), nil, "/bin/sh", "-c", `n=0; while [ $n -lt 6000 ]; do sleep 4444 & n=$((n+1)); done`)
	require.ErrorContains(t, err, "Cannot fork")
	require.Error(t, exec.Command("pgrep", "-f", "^sleep 4444$").Run())
}

// TestFullDiskIsAvoided fills a small file system, which has room for others all the time.
func TestFullDiskIsAvoided(t *testing.T) {
	needs.Root(t)
	b := box(t)
	require.NoError(t, unix.Mount("x", b.Dir, "tmpfs", 0, "size=400m"))
	defer func() { require.NoError(t, unix.Unmount(b.Dir, 0)) }()
	_, err := b.Run(t.Context(), nil, "/bin/sh", "-c",
		"n=0; while dd if=/dev/zero of=/opt/$n bs=1M count=1 2>/dev/null; do n=$((n+1)); sleep 0.01; done")
	require.ErrorContains(t, err, "the scripts were stopped before they filled the disk: ")
	_, free, err := space(b.Dir)
	require.NoError(t, err)
	require.Greater(t, free, uint64(10<<20))
}

// TestPseudoTerminal: scripts can open one, as on a running system.
func TestPseudoTerminal(t *testing.T) {
	needs.Root(t)
	b, out := box(t), []string{}
	b.Tree = treetest.Host(t, date, "sh", "script", "tty")
	_, err := b.Run(t.Context(), func(line string) { out = append(out, line) }, "/usr/bin/script", "-qec", "tty", "/dev/null")
	require.NoError(t, err, out)
	require.Equal(t, []string{"/dev/pts/0"}, out)
}

// TestDevicesOfTree: a device node that a script leaves alone, changes or deletes.
func TestDevicesOfTree(t *testing.T) {
	needs.Root(t)
	b := box(t)
	b.Tree = treetest.Host(t, date, "sh", "chmod", "rm")
	for _, name := range []string{"opt/same", "opt/changed", "opt/gone"} {
		require.NoError(t, b.Tree.Put(name, &tree.Node{Type: tree.Block, Mode: 0o600, ModTime: date, Major: 7, Minor: 250}))
	}
	changes, err := b.Run(t.Context(), nil, "/bin/sh", "-c", "chmod 640 /opt/changed; rm /opt/gone")
	require.NoError(t, err)
	require.Nil(t, changes.Get("opt/same"))
	require.True(t, changes.Get("opt/gone").IsWhiteout())
	changed := changes.Get("opt/changed")
	require.Equal(t, []any{tree.Block, uint32(0o640), uint32(7), uint32(250)}, []any{changed.Type, changed.Mode, changed.Major, changed.Minor})
}

// TestServe connects to a socket of this process.
func TestServe(t *testing.T) {
	needs.Root(t)
	b, out := box(t), []string{}
	b.Serve = func(l net.Listener) error {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			if err = errors.Join(err, c.Close()); err != nil {
				return err
			}
		}
	}
	_, err := b.Run(t.Context(), func(line string) { out = append(out, line) }, "/usr/bin/attempt", "socket", SocketFile)
	require.NoError(t, err)
	require.Equal(t, []string{"succeeded"}, out)
}
