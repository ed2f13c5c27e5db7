package disk

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/fat"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// with returns the usual layout with more partitions.
func with(size int64, extra ...Partition) Layout {
	l := layout
	l.Size = size
	l.Partitions = append(slices.Clone(layout.Partitions), extra...)
	return l
}

var (
	dataUUID = uuid.MustParse("6d9e5a0c-0000-8000-8000-000000000003")
	config   = Partition{Mount: "/srv/config", Format: FAT32, Label: "CONFIG", Serial: 7, Size: 64 << 20}
	data     = Partition{Mount: "/srv", Format: Ext4, Label: "data", UUID: dataUUID, Free: 16 << 20}
)

// dataTree has files for partitions at /srv and /srv/config.
func dataTree(t *testing.T) *tree.Tree {
	out := newTree(t)
	require.NoError(t, out.Put("srv", &tree.Node{Mode: 0o750, UID: 1000, GID: 1001, ModTime: layout.Time}))
	for _, name := range []string{"srv/set/1.jpg", "srv/config/wifi.txt"} {
		require.NoError(t, out.Put(name, &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline(name)}))
	}
	return out
}

// TestExtraPartitions: partitions with a size lie before those without, and the last one takes the rest of the disk.
func TestExtraPartitions(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.img")
	l := with(1<<30, data, config)
	_, err := create(t.Context(), t, name, dataTree(t), l, Options{})
	require.NoError(t, err)
	require.Contains(t, tool(t, "sfdisk", "--verify", name), "No errors detected.")
	dump := tool(t, "sfdisk", "--dump", name)
	var at [5]struct{ start, size int64 }
	table, err := os.ReadFile(part(t, name, 0, sector))
	require.NoError(t, err)
	for n := 1; n <= 4; n++ {
		e := table[entriesOffset+(n-1)*entrySize:]
		at[n].start, at[n].size = int64(binary.LittleEndian.Uint32(e[8:]))*sector, int64(binary.LittleEndian.Uint32(e[12:]))*sector
		kind := map[Format]string{FAT32: "c", Ext4: "83"}[l.Partitions[n-1].Format]
		require.Regexp(t, fmt.Sprintf(`%d : start= +%d, size= +%d, type=%s\n`, n, at[n].start/sector, at[n].size/sector, kind), dump)
	}
	require.Equal(t, int64(align), at[1].start)
	require.Equal(t, at[1].start+at[1].size, at[4].start)
	require.Equal(t, at[4].start+at[4].size, at[2].start)
	require.Equal(t, at[2].start+at[2].size, at[3].start)
	require.Equal(t, int64(1<<30), at[3].start+at[3].size)

	for _, n := range []int{1, 4} {
		tool(t, "fsck.vfat", "-n", part(t, name, at[n].start, at[n].size))
	}
	for _, n := range []int{2, 3} {
		tool(t, "e2fsck", "-fn", part(t, name, at[n].start, at[n].size))
	}
	require.Equal(t, "srv/config/wifi.txt", tool(t, "mtype", "-i", fmt.Sprintf("%s@@%d", name, at[4].start), "::wifi.txt"))
	dataPart := part(t, name, at[3].start, at[3].size)
	require.Contains(t, tool(t, "dumpe2fs", "-h", dataPart), dataUUID.String())
	require.Equal(t, "srv/set/1.jpg", debugfs(t, dataPart, "cat /set/1.jpg"))
	require.Regexp(t, `(?s)Mode:  0750.*User:  1000   Group:  1001`, debugfs(t, dataPart, "stat /"))
	require.Contains(t, debugfs(t, dataPart, "ls -l /"), "config", "the mount point of another partition")
	require.NotContains(t, debugfs(t, dataPart, "ls -l /config"), "wifi.txt")
	rootPart := part(t, name, at[2].start, at[2].size)
	require.NotContains(t, debugfs(t, rootPart, "ls -l /srv"), "set")
}

func debugfs(t *testing.T, image, command string) string {
	t.Setenv("DEBUGFS_PAGER", "cat")
	out := tool(t, "debugfs", "-R", command, image)
	if i := slices.Index([]byte(out), '\n'); i >= 0 && out[:7] == "debugfs" {
		return out[i+1:]
	}
	return out
}

// TestMountExtraPartition has Linux mount the partition that takes the rest.
func TestMountExtraPartition(t *testing.T) {
	needs.Root(t)
	name := filepath.Join(t.TempDir(), "disk.img")
	d, err := Prepare(dataTree(t), with(0, data))
	require.NoError(t, err)
	_, err = d.Create(t.Context(), name, Options{})
	require.NoError(t, err)
	dir := t.TempDir()
	tool(t, "mount", "-t", "ext4", "-o", fmt.Sprintf("loop,offset=%d,sizelimit=%d", d.parts[2].start, d.parts[2].size), name, dir)
	defer func() { require.NoError(t, unix.Unmount(dir, 0)) }()
	content, err := os.ReadFile(filepath.Join(dir, "set/1.jpg"))
	require.NoError(t, err)
	require.Equal(t, "srv/set/1.jpg", string(content))
}

// TestGrowingFATPartition has FATs for a card, and is small until it grows.
func TestGrowingFATPartition(t *testing.T) {
	rest := config
	rest.Size, rest.Free = 0, 16<<20
	d, err := Prepare(dataTree(t), with(0, rest))
	require.NoError(t, err)
	require.Less(t, d.Size(), int64(2<<30))
	require.Less(t, d.Mapped(), int64(64<<20))
	name := filepath.Join(t.TempDir(), "disk.img")
	_, err = d.Create(t.Context(), name, Options{})
	require.NoError(t, err)
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	files, err := fat.Read(t.Context(), f, d.parts[2].start, d.parts[2].size)
	require.NoError(t, err)
	content, err := files.ReadFile("wifi.txt")
	require.NoError(t, err)
	require.Equal(t, "srv/config/wifi.txt", string(content))
}

func TestPartitionErrors(t *testing.T) {
	link := dataTree(t)
	require.NoError(t, link.Put("srv/config/link", &tree.Node{Type: tree.Symlink, Target: "x"}))
	unknown := data
	unknown.Format = "ntfs"
	small := data
	small.Size = 1
	beyond := data
	beyond.Size = 2 << 40
	large := dataTree(t)
	require.NoError(t, large.Put("srv/large", &tree.Node{Type: tree.Regular, Content: tree.Content{ReaderAt: zeroes{}, Size: 8 << 20}}))
	for _, c := range []struct {
		files  *tree.Tree
		layout Layout
		want   string
	}{
		{link, with(0, config), "srv/config partition: /link: FAT32 cannot hold a symlink"},
		{dataTree(t), with(0, unknown), `srv partition: partition has the unknown file system format "ntfs"`},
		{dataTree(t), with(0, config, config, config), "partition table: disk has 5 partitions, and an MBR has room for 4"},
		{dataTree(t), with(0, beyond), "partition table: partition 2 of 16777216 bytes at byte 2199295885312 ends beyond 2 TiB, the limit of an MBR"},
		{dataTree(t), with(300<<20, data, config), "disk of 300 MiB is too small for its partitions, which need 364 MiB (boot 256 MiB, " +
			"srv/config 64 MiB, root 16 MiB with 8.0 MiB free, srv 24 MiB with 16 MiB free): increase disk.size, or decrease what is in it"},
	} {
		_, err := Prepare(c.files, c.layout)
		require.EqualError(t, err, c.want)
	}
	_, err := Prepare(large, with(0, small))
	require.ErrorContains(t, err, "srv partition: ")
}
