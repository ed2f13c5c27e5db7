package ext4

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestMinSizeIsExact(t *testing.T) {
	for seed := range uint64(20) {
		tree := randomTree(t, seed)
		size, err := MinSize(tree, testOptions, 0)
		require.NoError(t, err)
		o := testOptions
		o.Size = size
		image := writeImage(t, tree, o)
		fsck(t, image)
		f, err := os.Create(image)
		require.NoError(t, err)
		o.Size -= blockSize
		require.ErrorContains(t, Write(t.Context(), f, 0, tree, o), "files need")
		require.NoError(t, f.Close())
	}
}

func TestMinSizeLeavesRoom(t *testing.T) {
	for _, percent := range []int{0, 5, 50} {
		for _, free := range []int64{1, 1 << 20, 1 << 30, 20 << 30} {
			o := testOptions
			o.ReservedPercent = percent
			size, err := MinSize(tree.New(), o, free)
			require.NoError(t, err)
			s, err := surveyTree(tree.New(), o)
			require.NoError(t, err)
			p := layout(s, uint64(size/blockSize), o)
			left := int64(p.freeBlocks()-p.rootBlocks()) * blockSize
			require.GreaterOrEqual(t, left, free)
			require.Less(t, left, free+free/20+1<<20, "%d of %d bytes free", free, size)
		}
	}
}

// The number of inodes can determine the size, since a group holds a limited number.
func TestMinSizeForInodes(t *testing.T) {
	files := tree.New()
	for i := range maxInodes {
		put(t, files, fmt.Sprintf("%d/%d", i%100, i), &tree.Node{Type: tree.Fifo})
	}
	size, err := MinSize(files, testOptions, 0)
	require.NoError(t, err)
	require.Less(t, size, int64(blocksPerGroup+2000)*blockSize)
	o := testOptions
	o.Size = size
	fsck(t, writeImage(t, files, o))
}

// A larger size is not always enough: at 128 MiB the journal grows by more than the test adds.
func TestLargerJournal(t *testing.T) {
	const step = 32768 * blockSize
	files := tree.New()
	content := tree.Content{ReaderAt: padded{1}, Size: 120 << 20}
	put(t, files, "file", &tree.Node{Type: tree.Regular, Content: content})
	o := testOptions
	size, err := MinSize(files, o, 0)
	require.NoError(t, err)
	require.Less(t, size, int64(step))

	o.Size = step
	image := writeImage(t, files, o)
	fsck(t, image)
	requireBlocks(t, image, size/blockSize)

	o.Align = 4 << 20
	o.Size, err = MinSize(files, o, step-size)
	require.NoError(t, err)
	require.Zero(t, o.Size%o.Align)
	require.Greater(t, o.Size, int64(step))
	image = writeImage(t, files, o)
	fsck(t, image)
	requireBlocks(t, image, o.Size/blockSize)
}

func requireBlocks(t *testing.T, image string, blocks int64) {
	t.Helper()
	require.Regexp(t, fmt.Sprintf(`(?m)^Block count: +%d$`, blocks), tool(t, "dumpe2fs", "-h", image))
}
