package testscripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// everyKind makes a directory with every kind of entry and of metadata that a file system has.
func everyKind(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.MkdirAll(at("d/e"), 0o755))
	require.NoError(t, os.WriteFile(at("d/f"), []byte("content"), 0o600))
	require.NoError(t, os.Link(at("d/f"), at("d/e/hard")))
	require.NoError(t, os.Symlink("/nowhere", at("l")))
	require.NoError(t, os.WriteFile(at("large"), make([]byte, 3<<20), 0o644))
	require.NoError(t, os.WriteFile(at("empty"), nil, 0o400))
	require.NoError(t, os.WriteFile(at("sparse"), []byte("data"), 0o644))
	require.NoError(t, os.Truncate(at("sparse"), 1<<30))
	require.NoError(t, unix.Mkfifo(at("fifo"), 0o644))
	require.NoError(t, unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	require.NoError(t, unix.Mknod(at("whiteout"), unix.S_IFCHR, 0))
	require.NoError(t, unix.Mknod(at("disk"), unix.S_IFBLK|0o660, int(unix.Mkdev(259, 70000))))
	require.NoError(t, os.Lchown(at("l"), 1<<32-2, 1000))
	require.NoError(t, os.Chown(at("d/f"), 33, 1<<32-2))
	require.NoError(t, unix.Chmod(at("d/f"), 0o7777))
	require.NoError(t, unix.Chmod(at("d"), 0o1777))
	for name, value := range map[string]string{
		"user.x": "a\x00b", "trusted.overlay.opaque": "y", "security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"system.posix_acl_access": "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\xe8\x03\x00\x00" +
			"\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x06\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff",
	} {
		require.NoError(t, os.WriteFile(at(name), nil, 0o644)) // one each: in which order tar finds them is open
		require.NoError(t, unix.Setxattr(at(name), name, []byte(value), 0), name)
	}
	old := []unix.Timespec{{Sec: -5, Nsec: 123456789}, {Sec: -5, Nsec: 123456789}}
	require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, at("l"), old, unix.AT_SYMLINK_NOFOLLOW))
	require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, at("d"), old, 0))
	return dir
}

// pack makes a tar of a directory that is the same for the same tree.
func pack(t *testing.T, dir string, options ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tar")
	tool(t, "tar", append(options, "--create", "--file="+name, "--directory="+dir, "--format=posix", "--sort=name",
		"--numeric-owner", "--sparse", "--xattrs", "--xattrs-include=*",
		"--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f", ".")...)
	return name
}

// TestMkext4RoundTrip makes a file system of a directory and of a tar of it: it is the same, and what the kernel and
// GNU tar see in it is the directory.
func TestMkext4RoundTrip(t *testing.T) {
	needs.Root(t) // to make devices and mount
	bin := programs(t)
	dir := everyKind(t)
	images := t.TempDir()
	for name, source := range map[string]string{"dir": dir, "tar": pack(t, dir)} {
		out, err := exec.Command(filepath.Join(bin, "pkbuild"), "mkext4", source, "-o", filepath.Join(images, name)).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	image := filepath.Join(images, "dir")
	tool(t, "cmp", image, filepath.Join(images, "tar"))
	tool(t, "e2fsck", "-fn", image)

	runtime.LockOSThread() // and never unlock it: the namespace ends with the thread, which ends with the test
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNS))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	mounted := t.TempDir()
	tool(t, "mount", "-t", "ext4", "-o", "loop,ro", image, mounted)
	defer func() { require.NoError(t, unix.Unmount(mounted, 0)) }()
	const without = "--exclude=./sparse" // where it has holes is a file system's own matter, down to the block
	tool(t, "cmp", pack(t, dir, without), pack(t, mounted, without, "--exclude=./lost+found"))
	tool(t, "cmp", filepath.Join(dir, "sparse"), filepath.Join(mounted, "sparse"))
	info, err := os.Stat(image)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(200<<20), "the holes of a file of 1 GiB need no room")
}
