package ext4

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// seedImage returns an image of testdata.
func seedImage(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".ext4.gz"))
	require.NoError(tb, err)
	r, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(tb, err)
	image, err := io.ReadAll(r)
	require.NoError(tb, err)
	return image
}

var seedNames = []string{"today", "old", "ea_inode"}

func readBytes(ctx context.Context, image []byte) (*tree.Tree, error) {
	return Read(ctx, bytes.NewReader(image), 0, int64(len(image)))
}

// Limits of what an image of at most 128 KiB may take, far above what the seeds take.
const (
	maxReadAlloc = 64 << 20
	maxReadTime  = 10 * time.Second
)

// readWithinLimits reads an image and requires that it takes little memory and time, whatever the image holds.
func readWithinLimits(tb testing.TB, image []byte) (*tree.Tree, error) {
	tb.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	files, err := readBytes(tb.Context(), image)
	runtime.ReadMemStats(&after)
	require.Less(tb, after.TotalAlloc-before.TotalAlloc, uint64(maxReadAlloc), "bytes allocated")
	require.Less(tb, time.Since(start), maxReadTime)
	return files, err
}

// requireReadable reads all contents of a tree, as far as they are of reasonable size.
func requireReadable(tb testing.TB, files *tree.Tree) {
	tb.Helper()
	for name, n := range files.Walk() {
		require.NotContains(tb, name, "\x00")
		if n.Type == tree.Regular {
			_, err := io.CopyN(io.Discard, n.Content.Reader(), min(n.Content.Size, 1<<20))
			require.NoError(tb, err, name)
		}
	}
}

// FuzzRead reads images of testdata in which two places are changed.
func FuzzRead(f *testing.F) {
	var seeds [][]byte
	for i, name := range seedNames {
		seeds = append(seeds, seedImage(f, name))
		f.Add(uint8(i), uint32(superblockOffset), []byte{1, 2, 3}, uint32(2048), []byte{0xff})
		for number := uint32(rootInode); number < 60; number += 5 {
			at := uint32(newDamaged(f, seeds[i]).inodeOffset(number))
			f.Add(uint8(i), at, []byte{0xff}, at+tailOffset, []byte{0xff, 0x7f, 0xff, 0x7f})
			f.Add(uint8(i), at+blockOffset, []byte{0x0a, 0xf3, 4, 0, 4, 0, 1}, at+minInodeSize, []byte{0xff, 0x7f})
		}
	}
	f.Fuzz(func(t *testing.T, seed uint8, at1 uint32, change1 []byte, at2 uint32, change2 []byte) {
		image := bytes.Clone(seeds[int(seed)%len(seeds)])
		copy(image[int(at1)%len(image):], change1)
		copy(image[int(at2)%len(image):], change2)
		if files, err := readWithinLimits(t, image); err == nil {
			requireReadable(t, files)
		}
	})
}

// FuzzDirectory reads directory blocks of 1 KiB and 64 KiB.
func FuzzDirectory(f *testing.F) {
	image := seedImage(f, "today")
	for number := uint32(rootInode); number < 16; number++ {
		in, err := newDamaged(f, image).volume.inode(number)
		require.NoError(f, err)
		if c, err := in.content(); err == nil && c.Size > 0 {
			block, err := io.ReadAll(c.Reader())
			require.NoError(f, err)
			f.Add(block[:min(len(block), 1024)])
		}
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		for _, size := range []int{1024, maxBlock} {
			padded := make([]byte, size)
			copy(padded, block)
			entries, _ := appendEntries(nil, padded)
			require.LessOrEqual(t, len(entries), size/entryHeader)
			for _, e := range entries {
				require.False(t, e.name == "" || strings.ContainsAny(e.name, "/\x00"), "%q", e.name)
			}
		}
	})
}

// FuzzExtents reads extent trees whose root is given, over a file system of the block that follows it.
func FuzzExtents(f *testing.F) {
	leaf := extentNode(encodeExtents([]extent{{0, 1, 5}, {3, 2, 7}, {9, maxExtent, 1}}), 4, 0)
	index := extentNode(encode(nil, &diskExtentIndex{LeafLo: 0}), 4, 1)
	f.Add(leaf, []byte{})
	f.Add(index, leaf)
	f.Add(extentNode(encode(nil, &diskExtentIndex{LeafLo: 0}), 4, 4), index)
	f.Fuzz(func(t *testing.T, root, block []byte) {
		node := make([]byte, len(diskInode{}.Block))
		copy(node, root)
		image := make([]byte, 16<<10)
		copy(image, block)
		v := &volume{superblock: superblock{BlocksCountLo: 16}, image: bytes.NewReader(image), unread: int64(len(image))}
		c := content{volume: v, size: 1 << 40}
		if c.addNode(node, maxExtentDepth) != nil {
			return
		}
		end := uint64(0)
		for _, e := range c.extents {
			require.LessOrEqual(t, end, uint64(e.logical), "extents overlap")
			require.LessOrEqual(t, e.start+uint64(e.length), v.blocks(), "extent beyond the end")
			end = e.logicalEnd()
		}
		_, err := io.CopyN(io.Discard, io.NewSectionReader(&c, 0, c.size), 1<<20)
		require.NoError(t, err)
	})
}
