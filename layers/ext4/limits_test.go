package ext4

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// sparseFile returns a file of a size with a little data at some offsets.
func sparseFile(t *testing.T, size int64, data ...int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	require.NoError(t, f.Truncate(size))
	for _, at := range data {
		_, err := f.WriteAt([]byte(fmt.Sprintf("data at %d", at)), at)
		require.NoError(t, err)
	}
	return f
}

// limitsTree returns a tree with every type of entry and every property at its limits.
func limitsTree(t *testing.T) *tree.Tree {
	files := tree.New()
	long := strings.Repeat("n", maxName)
	file := func(mode uint32, mtime time.Time, c tree.Content) *tree.Node {
		return &tree.Node{Type: tree.Regular, Mode: mode, UID: 1<<32 - 2, GID: 1<<32 - 2, ModTime: mtime, Content: c}
	}
	utc := func(year int) time.Time { return time.Date(year, 1, 2, 3, 4, 5, 999_999_999, time.UTC) }
	put(t, files, "", &tree.Node{Mode: 0o7777, UID: 1<<32 - 2, GID: 1<<32 - 2, ModTime: utc(1902)})
	put(t, files, long+"/"+long+"/"+long, file(0o7777, utc(2107), tree.Inline("deep")))
	put(t, files, "first-second", file(0, time.Unix(minTime, 0), tree.Content{}))
	put(t, files, "before-1970", file(0o4000, utc(1969), tree.Content{}))
	put(t, files, "at-1970", file(0o2000, time.Unix(0, 1), tree.Inline("x")))
	put(t, files, "at-2038", file(0o1000, time.Unix(1<<31-1, 999_999_999), tree.Inline("x")))
	put(t, files, "after-2038", file(0o777, time.Unix(1<<31, 0), tree.Inline(strings.Repeat("x", blockSize))))
	put(t, files, "after-2106", file(0o777, time.Unix(1<<32, 1), tree.Inline(strings.Repeat("x", blockSize+1))))
	put(t, files, "believed-last", file(0o777, time.Unix(before2310-1, 0), tree.Content{}))
	for _, kind := range []tree.Type{tree.Char, tree.Block} {
		for _, d := range [][2]uint32{{0, 0}, {255, 255}, {256, 0}, {0, 256}, {maxMajor, maxMinor}} {
			put(t, files, fmt.Sprintf("%v-%d-%d", kind, d[0], d[1]),
				&tree.Node{Type: kind, Mode: 0o7777, UID: 1<<32 - 2, Major: d[0], Minor: d[1]})
		}
	}
	put(t, files, "fifo", &tree.Node{Type: tree.Fifo, Mode: 0o7777, GID: 1<<32 - 2})
	put(t, files, "socket", &tree.Node{Type: tree.Socket, Mode: 0o7777, GID: 1<<32 - 2})
	for _, n := range []int{1, 59, 60, 61, maxTarget} {
		put(t, files, fmt.Sprintf("symlink-%d", n),
			&tree.Node{Type: tree.Symlink, Mode: 0o777, Target: strings.Repeat("t", n)})
	}
	put(t, files, "empty-dir", &tree.Node{ModTime: utc(2107)})
	put(t, files, "12-GiB", file(0o600, utc(2000), tree.Content{
		ReaderAt: sparseFile(t, 12<<30, 0, 5<<30, 12<<30-20), Size: 12 << 30}))
	put(t, files, "only-a-hole", file(0o600, utc(2000), tree.Content{ReaderAt: sparseFile(t, 1<<30), Size: 1 << 30}))
	var everyOther []int64
	for at := int64(0); at < 2000*2*blockSize; at += 2 * blockSize {
		everyOther = append(everyOther, at)
	}
	put(t, files, "2000-extents", file(0o600, utc(2000), tree.Content{
		ReaderAt: sparseFile(t, 2000*2*blockSize, everyOther...), Size: 2000 * 2 * blockSize}))
	putXattrLimits(t, files)
	put(t, files, "hard/link", files.Get("at-1970"))
	return files
}

// putXattrLimits puts entries with as many and as large attributes as fit.
func putXattrLimits(t *testing.T, files *tree.Tree) {
	longest := "user." + strings.Repeat("a", maxXattrName-len("user."))
	acl := (&treeMaker{Rand: rand.New(rand.NewPCG(7, 0))}).acl()
	capability := "\x01\x00\x00\x02\x00\x20" + strings.Repeat("\x00", 14) // cap_net_raw+ep
	for name, xattrs := range map[string]map[string]string{
		"empty-value":   {"user.a": "", "trusted.a": "", "security.a": ""},
		"inline-full":   {"user.aaaa": strings.Repeat("v", inlineSpace-attrEnd-attrHeader-4)},
		"block-full":    {"user.aaaa": strings.Repeat("v", blockSpace-attrEnd-attrHeader-4)},
		"too-much":      {"user.aaaa": strings.Repeat("v", blockSpace-attrEnd-attrHeader-3)},
		"64-KiB":        {"user.a": strings.Repeat("a", maxValue), "trusted.b": strings.Repeat("b", maxValue), longest: "c"},
		"acl":           {"system.posix_acl_access": acl, "system.posix_acl_default": acl, "security.capability": capability},
		"many-in-block": manyXattrs(100, 10),
		"many-apart":    manyXattrs(50, 3000),
	} {
		put(t, files, "xattrs/"+name, &tree.Node{Mode: 0o755, Xattrs: xattrs})
		copied := *files.Get("xattrs/" + name)
		copied.Type = tree.Regular
		copied.Xattrs = map[string]string{}
		for k, v := range xattrs {
			if k != "system.posix_acl_default" {
				copied.Xattrs[k] = v
			}
		}
		put(t, files, "xattrs/"+name+"-file", &copied)
	}
	apart := map[string]string{"trusted.x": strings.Repeat("x", 20000), "security.y": "z"}
	put(t, files, "xattrs/symlink", &tree.Node{Type: tree.Symlink, Mode: 0o777, Target: "somewhere", Xattrs: apart})
	put(t, files, "xattrs/device", &tree.Node{Type: tree.Char, Major: 1, Xattrs: apart})
	put(t, files, "xattrs/fifo", &tree.Node{Type: tree.Fifo, Xattrs: apart})
	put(t, files, "xattrs/socket", &tree.Node{Type: tree.Socket, Xattrs: apart})
}

func manyXattrs(n, size int) map[string]string {
	xattrs := map[string]string{}
	for i := range n {
		xattrs[fmt.Sprintf("user.attribute-%d", i)] = strings.Repeat(string(rune('a'+i%26)), size)
	}
	return xattrs
}

func TestLimits(t *testing.T) {
	tree := limitsTree(t)
	want := describeTree(t, tree)
	image := writeImage(t, tree, testOptions)
	fsck(t, image)
	requireDebugfsSees(t, image, want)
	requireKernelSees(t, image, want)
}

// TestNamesBeyondASCII does not ask debugfs, which escapes such names. Their hashes depend on the sign of bytes.
func TestNamesBeyondASCII(t *testing.T) {
	files := tree.New()
	put(t, files, "ümlaut", &tree.Node{Xattrs: map[string]string{"user.ümlaut": strings.Repeat("ü", 1000)}})
	put(t, files, "\xff\x80\x01\n\t", &tree.Node{Xattrs: map[string]string{"user.\xff\x80": strings.Repeat("ü", 1000)}})
	for i := range 500 {
		put(t, files, fmt.Sprintf("indexed/日本語 %d \xff", i), &tree.Node{Type: tree.Fifo})
	}
	image := writeImage(t, files, testOptions)
	fsck(t, image)
	requireKernelSees(t, image, describeTree(t, files))
}
