package ext4

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// mount mounts an image by a loop device until unmount, or the end of the test.
type mount struct {
	t      *testing.T
	dir    string
	device string // the loop device, such as loop3
	mark   string // written to the kernel's log before the mount
}

// mountImage mounts in a mount namespace of the test's thread, so that copies of the mount in other namespaces do not keep
// it busy.
func mountImage(t *testing.T, image, options string) *mount {
	t.Helper()
	if os.Getuid() != 0 {
		needs.Unavailable(t, "mounting needs root")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		needs.Unavailable(t, "mounting needs loop devices: %v", err)
	}
	runtime.LockOSThread() // never unlocked, so that thread and namespace end with the test
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNS))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	m := &mount{t: t, dir: filepath.Join(t.TempDir(), "mnt"), mark: "test of " + image}
	if err := os.WriteFile("/dev/kmsg", []byte(m.mark+"\n"), 0); err != nil {
		needs.Unavailable(t, "no access to the kernel's log: %v", err)
	}
	require.NoError(t, os.Mkdir(m.dir, 0o755))
	tool(t, "mount", "-t", "ext4", "-o", "loop,"+options, image, m.dir)
	source := tool(t, "findmnt", "-n", "-o", "SOURCE", m.dir)
	m.device = strings.TrimPrefix(strings.TrimSpace(source), "/dev/")
	t.Cleanup(func() {
		if m.dir != "" {
			m.unmount()
		}
	})
	return m
}

func (m *mount) unmount() {
	m.t.Helper()
	err := unix.Unmount(m.dir, 0)
	for tries := 0; errors.Is(err, unix.EBUSY) && tries < 100; tries++ {
		time.Sleep(20 * time.Millisecond) // a process that another test is starting still has the files open
		err = unix.Unmount(m.dir, 0)
	}
	require.NoError(m.t, err)
	m.dir = ""
}

// requireQuiet requires that the kernel has logged no error of the file system since it was mounted.
func (m *mount) requireQuiet() {
	m.t.Helper()
	_, since, found := strings.Cut(tool(m.t, "dmesg"), m.mark+"\n")
	require.True(m.t, found, "the kernel's log does not reach back to the mount")
	requireQuietLog(m.t, since, m.device)
}

// expectedLog matches harmless messages: mounts, and the progress of growing that takes more than ten seconds.
var expectedLog = regexp.MustCompile(`(un)?mount(ed|ing) filesystem|resizing filesystem|resized (filesystem )?to`)

func requireQuietLog(t *testing.T, log, device string) {
	t.Helper()
	for line := range strings.Lines(log) {
		if strings.Contains(line, device) && (strings.Contains(line, "EXT4-fs") || strings.Contains(line, "JBD2")) {
			require.Regexp(t, expectedLog, line)
		}
	}
}

// requireKernelSees mounts an image, compares it with a listing, and checks it with e2fsck again.
func requireKernelSees(t *testing.T, image string, want listing) {
	t.Helper()
	m := mountImage(t, image, "noatime")
	_, withLostFound := want[lostFound]
	requireSame(t, want, describeDir(t, m.dir, withLostFound))
	m.unmount()
	m.requireQuiet()
	fsck(t, image)
}
