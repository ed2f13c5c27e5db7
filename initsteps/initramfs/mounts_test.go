package initramfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
	"github.com/PlanktoScope/pkbuild/internal/needs"
)

func TestBlockTypes(t *testing.T) {
	require.Equal(t, []string{"ext4", "vfat", "btrfs"}, blockTypes("nodev\tproc\n\tvfat\n\text4\nnodev\ttmpfs\n\tbtrfs\n"))
	require.Equal(t, []string{"ext4"}, blockTypes(""))
}

func TestMountRoot(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	target := filepath.Join(dir, "sysroot")
	problem, err := mountRoot("none", target, Cmdline{Type: "ext4,tmpfs", Flags: "mode=0700"})
	require.NoError(t, err)
	require.NoError(t, problem)
	i, err := os.Stat(target)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), i.Mode().Perm())

	_, err = mountRoot("/dev/none", target, Cmdline{Type: "no-such-type"})
	require.EqualError(t, err, "mount /dev/none at "+target+` (type no-such-type, options ""): no such device`)
}

// A card whose lock is on is mounted read-only, and that is a problem.
func TestMountRootReadOnly(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	image, target := filepath.Join(dir, "image"), filepath.Join(dir, "sysroot")
	out, err := exec.Command(needs.Program(t, "mke2fs"), "-q", "-t", "ext4", image, "2M").CombinedOutput()
	require.NoError(t, err, "mke2fs: %s", out)
	losetup := needs.Program(t, "losetup")
	out, err = exec.Command(losetup, "--find", "--show", "--read-only", image).Output()
	require.NoError(t, err)
	device := strings.TrimSpace(string(out))
	defer func() { require.NoError(t, exec.Command(losetup, "--detach", device).Run()) }()

	problem, err := mountRoot(device, target, Cmdline{Type: "ext4"})
	require.NoError(t, err)
	require.EqualError(t, problem, "root file system could only be mounted read-only: mount "+device+" at "+target+
		` (type ext4, options ""): permission denied`)
	require.DirExists(t, filepath.Join(target, "lost+found"))
	require.NoError(t, unix.Unmount(target, 0))
}

// The real root becomes the root, what was mounted early goes along, and the files of the initramfs are gone.
func TestSwitchRoot(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	for _, d := range []string{"dev", "sys", "sysroot", "lib/deep"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lib/deep/module"), nil, 0o644))
	nstest.Enter(t, dir)
	for _, d := range []string{"/dev", "/sys", "/sysroot"} {
		require.NoError(t, unix.Mount("tmpfs"+d, d, "tmpfs", 0, ""))
	}
	require.NoError(t, os.WriteFile("/sysroot/real", nil, 0o644))
	require.NoError(t, os.WriteFile("/run/early", nil, 0o644))
	initramfs, err := os.OpenRoot("/")
	require.NoError(t, err)

	problem, err := switchRoot("/sysroot")
	require.NoError(t, err)
	require.NoError(t, problem)
	for _, name := range []string{"/real", "/run/early", "/proc/self/mountinfo"} {
		require.FileExists(t, name)
	}
	require.NoDirExists(t, "/lib")
	wd, err := os.Getwd()
	require.NoError(t, err)
	require.Equal(t, "/", wd)
	left, err := initramfs.Open(".")
	require.NoError(t, err)
	names, err := left.Readdirnames(-1)
	require.NoError(t, err)
	require.Empty(t, names, "the initramfs takes no memory any more")
}

// A mount that is missing does not keep the system from starting.
func TestSwitchRootWithoutEarlyMounts(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sysroot"), 0o755))
	nstest.Enter(t, dir)
	require.NoError(t, unix.Mount("tmpfs", "/sysroot", "tmpfs", 0, ""))
	problem, err := switchRoot("/sysroot")
	require.NoError(t, err)
	require.EqualError(t, problem, "move mount /sys to /sysroot/sys: no such file or directory\n"+
		"move mount /dev to /sysroot/dev: no such file or directory")
}

// Only an initramfs is emptied, never a disk.
func TestEmptyLeavesDisksAlone(t *testing.T) {
	dir, err := os.OpenRoot("/proc/self")
	require.NoError(t, err)
	require.EqualError(t, empty(dir), "the initramfs has file system type 0x9fa0, neither ramfs nor tmpfs: it is left as it is")
}
