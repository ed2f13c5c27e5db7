package ext4

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// readImage reads an image as a tree.
func readImage(t *testing.T, image string) *tree.Tree {
	t.Helper()
	f, err := os.Open(image)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	require.NoError(t, err)
	tree, err := Read(t.Context(), f, 0, info.Size())
	require.NoError(t, err)
	return tree
}

// requireReaderSees compares an image with a listing.
func requireReaderSees(t *testing.T, image string, want listing) {
	t.Helper()
	tree := readImage(t, image)
	if _, own := want[lostFound]; !own {
		tree.Remove(lostFound)
	}
	requireSame(t, want, describeTree(t, tree))
}

// populate makes entries of every type in a directory. Holes and unwritten extents must read as zeroes whatever the disk
// held before.
func populate(t *testing.T, dir string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, data []byte) {
		require.NoError(t, os.MkdirAll(filepath.Dir(at(name)), 0o755))
		require.NoError(t, os.WriteFile(at(name), data, 0o644))
	}
	write("one piece", bytes.Repeat([]byte("0123456789abcdef"), 10_000))
	write("empty", nil)
	write("a/hard link", []byte("x"))
	require.NoError(t, os.Link(at("a/hard link"), at("b")))
	for i := range 600 {
		write(fmt.Sprintf("many/%d with a name of some length", i), nil)
	}
	for name, data := range map[string]int{"first hole": 1 << 20, "last hole": 0} {
		f, err := os.Create(at(name))
		require.NoError(t, err)
		_, err = f.WriteAt(bytes.Repeat([]byte("x"), 5000), int64(data))
		require.NoError(t, err)
		require.NoError(t, f.Truncate(2<<20+1))
		require.NoError(t, f.Close())
	}
	f, err := os.Create(at("pieces"))
	require.NoError(t, err)
	for i := range int64(400) { // more extents than an inode holds
		_, err = f.WriteAt([]byte{byte(i)}, i*3*blockSize)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	require.NoError(t, os.Symlink("a", at("short symlink")))
	require.NoError(t, os.Symlink(string(bytes.Repeat([]byte("long/"), 40)), at("long symlink")))
	for length := 57; length < 63; length++ {
		require.NoError(t, os.Symlink(string(bytes.Repeat([]byte("x"), length)), at(fmt.Sprintf("symlink of %d", length))))
	}
	for name, mode := range map[string]uint32{"char": unix.S_IFCHR | 0o600, "block": unix.S_IFBLK | 0o660} {
		require.NoError(t, unix.Mknod(at(name), mode, int(unix.Mkdev(4, 64))))
		require.NoError(t, unix.Mknod(at("large "+name), mode, int(unix.Mkdev(1000, 70000))))
	}
	require.NoError(t, unix.Mknod(at("whiteout"), unix.S_IFCHR, 0))
	require.NoError(t, unix.Mkfifo(at("fifo"), 0o622))
	require.NoError(t, unix.Mknod(at("socket"), unix.S_IFSOCK|0o755, 0))
	require.NoError(t, unix.Setxattr(at("b"), "user.empty", nil, 0))
	require.NoError(t, unix.Setxattr(at("b"), "user.long", bytes.Repeat([]byte("v"), 500), 0))
	require.NoError(t, unix.Setxattr(at("a"), "trusted.overlay.opaque", []byte("y"), 0))
	require.NoError(t, os.Lchown(at("b"), 100_000, 200_000))
	require.NoError(t, unix.Chmod(at("b"), 0o6755))
	require.NoError(t, unix.Chmod(at("many"), 0o1777))
	for name, when := range map[string]time.Time{
		"empty": time.Unix(-5, 7), "one piece": time.Unix(1<<32+5, 999_999_999), "short symlink": time.Unix(1_700_000_000, 1),
	} {
		ts := []unix.Timespec{unix.NsecToTimespec(0), unix.NsecToTimespec(when.UnixNano())}
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, at(name), ts, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// oldDisk returns the path of an image full of old data.
func oldDisk(t *testing.T) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(image, bytes.Repeat([]byte("old data"), 32<<20/8), 0o600))
	return image
}

var formats = map[string][]string{
	"as today":          nil,
	"as in 2020":        {"-O", "^metadata_csum,^64bit"},
	"small blocks":      {"-b", "1024"},
	"large blocks":      {"-b", "65536", "-N", "2000", "-O", "^has_journal"},
	"small inodes":      {"-I", "128"},
	"without flex_bg":   {"-O", "^flex_bg,^resize_inode"},
	"values in inodes":  {"-O", "ea_inode"},
	"large directories": {"-O", "large_dir,metadata_csum_seed"},
}

func TestReaderAgreesWithDebugfs(t *testing.T) {
	if os.Geteuid() != 0 {
		needs.Unavailable(t, "needs root, to make devices")
	}
	dir := t.TempDir()
	populate(t, dir)
	for name, options := range formats {
		if name == "small inodes" {
			continue // debugfs prints their times in another format
		}
		t.Run(name, func(t *testing.T) {
			image := oldDisk(t)
			tool(t, "mke2fs", append(append([]string{"-qFt", "ext4", "-E", "nodiscard", "-d", dir}, options...), image)...)
			d := debugfs{t: t, image: image, dir: t.TempDir()}
			requireReaderSees(t, image, d.describe())
		})
	}
}

func TestReaderAgreesWithTheKernel(t *testing.T) {
	for name, options := range formats {
		if name == "large blocks" {
			continue // not every kernel can mount them
		}
		t.Run(name, func(t *testing.T) {
			image := oldDisk(t)
			tool(t, "mke2fs", append(append([]string{"-qFt", "ext4", "-E", "nodiscard"}, options...), image)...)
			m := mountImage(t, image, "noatime")
			populate(t, m.dir)
			if name == "values in inodes" {
				require.NoError(t, unix.Setxattr(filepath.Join(m.dir, "b"), "user.very-long", bytes.Repeat([]byte("v"), 60_000), 0))
			}
			f, err := os.Create(filepath.Join(m.dir, "not written"))
			require.NoError(t, err)
			require.NoError(t, unix.Fallocate(int(f.Fd()), 0, 0, 100_000))
			_, err = f.WriteAt([]byte("x"), 50_000)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			want := describeDir(t, m.dir, true)
			m.unmount()
			requireReaderSees(t, image, want)
		})
	}
}

// TestReadMountedFileSystems reads copies that were made while the file system was mounted.
func TestReadMountedFileSystems(t *testing.T) {
	for features, want := range map[string]string{
		"has_journal":  "ext4 file system was not unmounted and its journal not replayed: run e2fsck -f on the partition",
		"^has_journal": "ext4 file system is not clean (state 0x0): run e2fsck -f on the partition",
	} {
		image := oldDisk(t)
		tool(t, "mke2fs", "-qFt", "ext4", "-O", features, image)
		m := mountImage(t, image, "noatime")
		require.NoError(t, os.WriteFile(filepath.Join(m.dir, "file"), []byte("x"), 0o600))
		unix.Sync()
		data, err := os.ReadFile(image)
		require.NoError(t, err)
		m.unmount()
		_, err = readBytes(t.Context(), data)
		require.EqualError(t, err, want)
	}
}
