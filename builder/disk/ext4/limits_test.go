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

	"github.com/PlanktoScope/pkbuild/layers"
)

// sparseFile is a file of a size with a little data at some places.
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

// limitsTree has every kind of entry, with every property at its limits.
func limitsTree(t *testing.T) *layers.Tree {
	tree := layers.NewTree()
	long := strings.Repeat("n", maxName)
	file := func(mode uint32, mtime time.Time, c layers.Content) *layers.Node {
		return &layers.Node{Type: layers.Regular, Mode: mode, UID: 1<<32 - 2, GID: 1<<32 - 2, ModTime: mtime, Content: c}
	}
	utc := func(year int) time.Time { return time.Date(year, 1, 2, 3, 4, 5, 999_999_999, time.UTC) }
	put(t, tree, "", &layers.Node{Mode: 0o7777, UID: 1<<32 - 2, GID: 1<<32 - 2, ModTime: utc(1902)})
	put(t, tree, long+"/"+long+"/"+long, file(0o7777, utc(2107), layers.Inline("deep")))
	put(t, tree, "first-second", file(0, time.Unix(minTime, 0), layers.Content{}))
	put(t, tree, "before-1970", file(0o4000, utc(1969), layers.Content{}))
	put(t, tree, "at-1970", file(0o2000, time.Unix(0, 1), layers.Inline("x")))
	put(t, tree, "at-2038", file(0o1000, time.Unix(1<<31-1, 999_999_999), layers.Inline("x")))
	put(t, tree, "after-2038", file(0o777, time.Unix(1<<31, 0), layers.Inline(strings.Repeat("x", blockSize))))
	put(t, tree, "after-2106", file(0o777, time.Unix(1<<32, 1), layers.Inline(strings.Repeat("x", blockSize+1))))
	put(t, tree, "believed-last", file(0o777, time.Unix(before2310-1, 0), layers.Content{}))
	for _, kind := range []layers.Type{layers.Char, layers.Block} {
		for _, d := range [][2]uint32{{0, 0}, {255, 255}, {256, 0}, {0, 256}, {maxMajor, maxMinor}} {
			put(t, tree, fmt.Sprintf("%v-%d-%d", kind, d[0], d[1]),
				&layers.Node{Type: kind, Mode: 0o7777, UID: 1<<32 - 2, Major: d[0], Minor: d[1]})
		}
	}
	put(t, tree, "fifo", &layers.Node{Type: layers.Fifo, Mode: 0o7777, GID: 1<<32 - 2})
	put(t, tree, "socket", &layers.Node{Type: layers.Socket, Mode: 0o7777, GID: 1<<32 - 2})
	for _, n := range []int{1, 59, 60, 61, maxTarget} {
		put(t, tree, fmt.Sprintf("symlink-%d", n),
			&layers.Node{Type: layers.Symlink, Mode: 0o777, Target: strings.Repeat("t", n)})
	}
	put(t, tree, "empty-dir", &layers.Node{ModTime: utc(2107)})
	put(t, tree, "12-GiB", file(0o600, utc(2000), layers.Content{
		ReaderAt: sparseFile(t, 12<<30, 0, 5<<30, 12<<30-20), Size: 12 << 30}))
	put(t, tree, "only-a-hole", file(0o600, utc(2000), layers.Content{ReaderAt: sparseFile(t, 1<<30), Size: 1 << 30}))
	var everyOther []int64
	for at := int64(0); at < 2000*2*blockSize; at += 2 * blockSize {
		everyOther = append(everyOther, at)
	}
	put(t, tree, "2000-extents", file(0o600, utc(2000), layers.Content{
		ReaderAt: sparseFile(t, 2000*2*blockSize, everyOther...), Size: 2000 * 2 * blockSize}))
	putXattrLimits(t, tree)
	put(t, tree, "hard/link", tree.Get("at-1970"))
	return tree
}

// putXattrLimits puts entries with attributes as many and as large as fit.
func putXattrLimits(t *testing.T, tree *layers.Tree) {
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
		put(t, tree, "xattrs/"+name, &layers.Node{Mode: 0o755, Xattrs: xattrs})
		copied := *tree.Get("xattrs/" + name)
		copied.Type = layers.Regular
		copied.Xattrs = map[string]string{}
		for k, v := range xattrs {
			if k != "system.posix_acl_default" {
				copied.Xattrs[k] = v
			}
		}
		put(t, tree, "xattrs/"+name+"-file", &copied)
	}
	apart := map[string]string{"trusted.x": strings.Repeat("x", 20000), "security.y": "z"}
	put(t, tree, "xattrs/symlink", &layers.Node{Type: layers.Symlink, Mode: 0o777, Target: "somewhere", Xattrs: apart})
	put(t, tree, "xattrs/device", &layers.Node{Type: layers.Char, Major: 1, Xattrs: apart})
	put(t, tree, "xattrs/fifo", &layers.Node{Type: layers.Fifo, Xattrs: apart})
	put(t, tree, "xattrs/socket", &layers.Node{Type: layers.Socket, Xattrs: apart})
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

// debugfs does not show such names as they are; the hash of one, in a block, depends on whether bytes have a sign.
func TestNamesBeyondASCII(t *testing.T) {
	tree := layers.NewTree()
	put(t, tree, "ümlaut", &layers.Node{Xattrs: map[string]string{"user.ümlaut": strings.Repeat("ü", 1000)}})
	put(t, tree, "\xff\x80\x01\n\t", &layers.Node{Xattrs: map[string]string{"user.\xff\x80": strings.Repeat("ü", 1000)}})
	for i := range 500 {
		put(t, tree, fmt.Sprintf("indexed/日本語 %d \xff", i), &layers.Node{Type: layers.Fifo})
	}
	image := writeImage(t, tree, testOptions)
	fsck(t, image)
	requireKernelSees(t, image, describeTree(t, tree))
}
