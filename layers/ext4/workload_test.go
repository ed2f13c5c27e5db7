package ext4

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/uml"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// workTree returns a tree with a directory whose blocks are all full.
func workTree(t *testing.T) *tree.Tree {
	files := tree.New()
	for i := range 10_000 {
		put(t, files, fmt.Sprintf("many/file-%d", i), &tree.Node{Type: tree.Regular, Content: tree.Inline("x")})
	}
	put(t, files, "few/data", &tree.Node{Type: tree.Regular, Content: tree.Inline(strings.Repeat("data", 1<<20))})
	put(t, files, "few/xattrs", &tree.Node{Type: tree.Regular, Xattrs: manyXattrs(4, 3000)})
	return files
}

// fill writes files until the file system is full, and returns the number of bytes written.
func fill(t *testing.T, dir string) (size int64) {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o755))
	chunk := make([]byte, 1<<20)
	for i := 0; ; i++ {
		chunk[0] = byte(i)
		n := 8 << (i % 18) // from a few bytes to 1 MiB
		err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d", strings.Repeat("f", i%200), i)), chunk[:n], 0o644)
		if errors.Is(err, unix.ENOSPC) {
			return size
		}
		require.NoError(t, err)
		size += int64(n)
	}
}

// work changes files in the ways of a running system: it adds, renames, removes, appends, links and sets attributes.
func work(t *testing.T, root string) {
	t.Helper()
	many := filepath.Join(root, "many")
	for i := range 10_000 {
		name := filepath.Join(many, fmt.Sprintf("file-%d", i))
		switch i % 5 {
		case 0:
			require.NoError(t, os.Remove(name))
		case 1:
			require.NoError(t, os.Rename(name, filepath.Join(many, fmt.Sprintf("renamed-to-a-longer-name-%d", i))))
		case 2:
			require.NoError(t, os.Link(name, filepath.Join(many, fmt.Sprintf("linked-%d", i))))
		case 3:
			require.NoError(t, os.WriteFile(filepath.Join(many, fmt.Sprintf("new-%d", i)), []byte(name), 0o600))
		case 4:
			require.NoError(t, unix.Setxattr(name, "user.new", []byte(strings.Repeat("v", i%3000)), 0))
		}
	}
	f, err := os.OpenFile(filepath.Join(root, "few/data"), os.O_RDWR|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.Write([]byte("more"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(100_000))
	require.NoError(t, f.Close())
	require.NoError(t, unix.Removexattr(filepath.Join(root, "few/xattrs"), "user.attribute-0"))
	require.NoError(t, unix.Setxattr(filepath.Join(root, "few/xattrs"), "user.attribute-1", []byte("short"), 0))
}

const (
	builtSize = 1 << 30
	cardSize  = 64 << 30
	// inside is set when the test binary runs as the first process of a kernel of its own, to the size that the file
	// system on /dev/ubda grows to.
	inside = "PKBUILD_TEST_INSIDE"
)

// TestWorkload uses a file system as a device does: it is filled, emptied, grown online to the size of the card, and used
// again. Growing needs CAP_SYS_RESOURCE, which not every root has, so it happens in User Mode Linux.
func TestWorkload(t *testing.T) {
	o := testOptions
	o.Size, o.ReservedPercent = builtSize, 5
	image := writeImage(t, workTree(t), o)
	runInside(t, image, "TestWorkloadInside", cardSize)
	fsck(t, image)
}

// TestGrowthTo2TiB grows as far as the reserved descriptors allow.
func TestGrowthTo2TiB(t *testing.T) {
	o := testOptions
	o.Size, o.OrphanFile = 256<<20, true
	image := writeImage(t, workTree(t), o)
	runInside(t, image, "TestGrowInside", 2<<40)
	require.NotContains(t, tool(t, "dumpe2fs", "-h", image), "meta_bg")
	fsck(t, image)
}

// runInside runs a test of this binary in User Mode Linux with the image, extended to a size, as its disk.
func runInside(t *testing.T, image, test string, size int64) {
	t.Helper()
	require.NoError(t, os.Truncate(image, size))
	m := uml.Machine{
		Memory: "512M", Disks: []string{image},
		Before: fmt.Sprintf("mount -t tmpfs tmpfs /tmp -o size=50%% || exit\nexport TMPDIR=/tmp %s=%d", inside, size),
	}
	require.Contains(t, m.Run(t, test), "--- PASS: "+test)
}

// insideMount mounts the disk of User Mode Linux.
func insideMount(t *testing.T) (dir string, size uint64) {
	t.Helper()
	v := os.Getenv(inside)
	if v == "" {
		t.Skip("runs as a part of other tests, in a kernel of its own")
	}
	size, err := strconv.ParseUint(v, 10, 64)
	require.NoError(t, err)
	dir = t.TempDir()
	require.NoError(t, unix.Mount("/dev/ubda", dir, "ext4", 0, ""))
	return dir, size
}

func TestWorkloadInside(t *testing.T) {
	dir, size := insideMount(t)
	work(t, dir)
	filled := fill(t, filepath.Join(dir, "filled"))
	require.Greater(t, filled, int64(builtSize*8/10))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "filled")))
	grow(t, dir, size)
	copyMuch(t, filepath.Join(dir, "after"))
	require.NoError(t, unix.Unmount(dir, 0))
	requireQuietInside(t)
}

func TestGrowInside(t *testing.T) {
	dir, size := insideMount(t)
	grow(t, dir, size)
	work(t, dir)
	require.NoError(t, unix.Unmount(dir, 0))
	requireQuietInside(t)
}

func requireQuietInside(t *testing.T) {
	t.Helper()
	log := tool(t, "dmesg")
	require.Contains(t, log, "resized filesystem")
	requireQuietLog(t, log, "ubda")
}

func grow(t *testing.T, dir string, size uint64) {
	t.Helper()
	require.Contains(t, tool(t, "resize2fs", "/dev/ubda"), "on-line resizing required")
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &st))
	require.Greater(t, st.Blocks*blockSize, size/100*97)
	require.Greater(t, st.Files, size/bytesPerInode/100*97)
}

// copyMuch writes more than fitted before.
func copyMuch(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, unix.Fallocate(int(f.Fd()), 0, 0, 3<<30))
	_, err = f.Seek(3<<30, io.SeekStart)
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 4<<20))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
