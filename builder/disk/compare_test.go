package disk

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// tree2 is newTree with more types of nodes.
func tree2(t *testing.T) *tree.Tree {
	out := newTree(t)
	link := &tree.Node{Type: tree.Regular, Mode: 0o600, Content: tree.Inline("linked")}
	for name, n := range map[string]*tree.Node{
		"etc/hostname": {Type: tree.Regular, Mode: 0o644, ModTime: layout.Time, Content: tree.Inline("host\n")},
		"etc/link":     {Type: tree.Symlink, Mode: 0o777, Target: "hostname"},
		"dev/null":     {Type: tree.Char, Mode: 0o666, Major: 1, Minor: 3},
		"usr/bin/ping": {Type: tree.Regular, Mode: 0o755, Xattrs: map[string]string{"security.capability": "\x01"}},
		"usr/bin/a":    link,
		"usr/bin/b":    link,
		"usr/lib/big":  {Type: tree.Regular, Mode: 0o644, Content: tree.Inline(strings.Repeat("x", 20_000))},
	} {
		require.NoError(t, out.Put(name, n))
	}
	return out
}

func written(t *testing.T, tree *tree.Tree) Written {
	d, err := Prepare(tree, layout)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "disk.img")
	_, err = d.Create(t.Context(), name, Options{})
	require.NoError(t, err)
	return Written{d, name}
}

func TestCompareTrees(t *testing.T) {
	change := func(name string, set func(n *tree.Node)) func(*tree.Tree) {
		return func(tree *tree.Tree) { set(tree.Get(name)) }
	}
	first := written(t, tree2(t))
	for want, c := range map[string]func(*tree.Tree){
		"root partition: /etc/hostname: mode: 0644, then 0600":          change("etc/hostname", func(n *tree.Node) { n.Mode = 0o600 }),
		"root partition: /etc/hostname: owner: 0:0, then 0:33":          change("etc/hostname", func(n *tree.Node) { n.GID = 33 }),
		"root partition: /etc/link: target: hostname, then host":        change("etc/link", func(n *tree.Node) { n.Target = "host" }),
		"root partition: /dev/null: device: 1:3, then 1:5":              change("dev/null", func(n *tree.Node) { n.Minor = 5 }),
		"root partition: /usr/bin/ping: xattr user.x: none, then \"1\"": change("usr/bin/ping", func(n *tree.Node) { n.Xattrs["user.x"] = "1" }),
		"root partition: /etc/hostname: mtime: 2026-01-01T12:30:15Z, then 2026-01-01T12:30:15.000000001Z": change("etc/hostname",
			func(n *tree.Node) { n.ModTime = n.ModTime.Add(time.Nanosecond) }),
		"root partition: /usr/lib/big: content at byte 12345: 0x78, then 0x79": change("usr/lib/big",
			func(n *tree.Node) {
				n.Content = tree.Inline(strings.Repeat("x", 12345) + "y" + strings.Repeat("x", 7654))
			}),
		"root partition: /etc/hostname: content at byte 4: 0x0a, then end": change("etc/hostname",
			func(n *tree.Node) { n.Content = tree.Inline("host") }),
		"root partition: /etc/new: existence: none, then fifo": func(files *tree.Tree) {
			require.NoError(t, files.Put("etc/new", &tree.Node{Type: tree.Fifo}))
		},
		"root partition: /usr/bin/b: hard link: /usr/bin/a, then /usr/bin/b": func(tree *tree.Tree) {
			other := *tree.Get("usr/bin/b")
			require.NoError(t, tree.Put("usr/bin/b", &other))
		},
		"boot partition: /boot/firmware/config.txt: content at byte 0: 0x62, then 0x42": change("boot/firmware/config.txt",
			func(n *tree.Node) { n.Content = tree.Inline("Boot/firmware/config.txt") }),
	} {
		t.Run(want, func(t *testing.T) {
			other := tree2(t)
			c(other)
			d, err := Compare(t.Context(), first, written(t, other))
			require.NoError(t, err)
			require.NotNil(t, d)
			require.Equal(t, want, d.String())
		})
	}
	d, err := Compare(t.Context(), first, written(t, tree2(t)))
	require.NoError(t, err)
	require.Nil(t, d)
}

// TestCompareBytes changes single bytes of an image, while both trees are equal. The difference names their structure.
func TestCompareBytes(t *testing.T) {
	first, second := written(t, tree2(t)), written(t, tree2(t))
	data, err := os.ReadFile(second.Image)
	require.NoError(t, err)
	find := func(text string) int64 {
		at := strings.Index(string(data), text)
		require.Positive(t, at, text)
		return int64(at)
	}
	const root = align + 256<<20
	inodes := root + int64(binary.LittleEndian.Uint32(data[root+4096+8:]))*4096
	for _, c := range []struct {
		at   int64
		want string
	}{
		{440, "partition table: disk signature"},
		{446 + 16, "partition table: entry of partition 2"},
		{5000, "partition table: gap between partitions"},
		{align + 67, "boot partition: boot sector in sector 0, field Serial"},
		{align + sector + 488, "boot partition: FSInfo in sector 1, field FreeClusters"},
		{align + 16384 + 5*4, "boot partition: FAT 1, entry of cluster 5"},
		{find("boot/firmware/config.txt") + 3, "boot partition: /boot/firmware/config.txt: content byte 3"},
		{find("boot/firmware/overlays/a-long"), "boot partition: /boot/firmware/overlays/a-long-name-of-an-overlay.dtbo: content byte 0"},
		{find("bootfs     \x08") + 11, "boot partition: /boot/firmware: directory entry 0, field Attributes"},
		{root - 1, "boot partition: free cluster"},
		{root + 1024 + 0x38, "root partition: superblock of group 0, field Magic"},
		{root + 4096 + 12, "root partition: group descriptor 0 in group 0, field FreeBlocksLo"},
		{inodes + 256 + 2, "root partition: /: inode field UIDLo"},
		{inodes + 7*256 + 40, "root partition: journal: inode field Block"},
		{find("host\n") + 1, "root partition: /etc/hostname: content byte 1"},
		{int64(len(data)) - 1, "root partition: free block"},
	} {
		t.Run(c.want, func(t *testing.T) {
			flip(t, second.Image, c.at)
			defer flip(t, second.Image, c.at)
			d, err := Compare(t.Context(), first, second)
			require.NoError(t, err)
			require.NotNil(t, d)
			require.Equal(t, c.at, d.Offset)
			require.Contains(t, d.String(), c.want+" at byte ")
		})
	}
}
