package ext4

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// TestHolesAreNeverRead copies the written blocks to a card full of old data, as bmaptool does.
func TestHolesAreNeverRead(t *testing.T) {
	t.Parallel()
	tree := workTree(t)
	for _, orphanFile := range []bool{false, true} {
		o := testOptions
		o.Size, o.OrphanFile = 300<<20, orphanFile
		image := writeImage(t, tree, o)
		card := filepath.Join(t.TempDir(), "card")
		require.NoError(t, os.WriteFile(card, bytes.Repeat([]byte{0x5a}, int(o.Size)), 0o600))
		from, err := os.Open(image)
		require.NoError(t, err)
		to, err := os.OpenFile(card, os.O_RDWR, 0)
		require.NoError(t, err)
		copied := copyData(t, to, from)
		require.Less(t, copied, o.Size/2, "image has hardly any holes")
		requireZeroedTables(t, image)
		require.NoError(t, from.Close())
		require.NoError(t, to.Close())
		fsck(t, card)
		requireKernelSees(t, card, describeTree(t, tree))
		m := mountImage(t, card, "rw")
		work(t, m.dir)
		fill(t, filepath.Join(m.dir, "filled"))
		m.unmount()
		m.requireQuiet()
		fsck(t, card)
	}
}

// requireZeroedTables requires that no inode table with holes is marked as zeroed.
func requireZeroedTables(t *testing.T, image string) {
	t.Helper()
	for _, group := range strings.Split(tool(t, "dumpe2fs", image), "\nGroup ")[1:] {
		if strings.Contains(group, "ITABLE_ZEROED") {
			require.Contains(t, group, " 0 free inodes")
		}
	}
}

// copyData copies everything but holes, and returns the number of bytes.
func copyData(t *testing.T, to, from *os.File) (copied int64) {
	t.Helper()
	for end := int64(0); ; {
		start, err := from.Seek(end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return copied
		}
		require.NoError(t, err)
		end, err = from.Seek(start, unix.SEEK_HOLE)
		require.NoError(t, err)
		n, err := io.Copy(io.NewOffsetWriter(to, start), io.NewSectionReader(from, start, end-start))
		require.NoError(t, err)
		copied += n
	}
}

// holey is a SparseReaderAt over a string.
type holey struct {
	*strings.Reader
	data [][2]int64
}

func (h *holey) NextData(offset int64) (start, end int64, err error) {
	for _, d := range h.data {
		if d[1] > offset {
			return d[0], d[1], nil
		}
	}
	return h.Size(), h.Size(), nil
}

func TestFindData(t *testing.T) {
	const size = 40 * blockSize
	for name, c := range map[string]struct {
		data   [][2]int64
		offset int64
		want   []span
	}{
		"everything":        {data: [][2]int64{{0, size}}, want: nil},
		"nothing":           {want: []span{}},
		"one byte":          {data: [][2]int64{{5*blockSize + 1, 5*blockSize + 2}}, want: []span{{5, 1}}},
		"over an edge":      {data: [][2]int64{{blockSize - 1, blockSize + 1}}, want: []span{{0, 2}}},
		"two in a block":    {data: [][2]int64{{0, 1}, {10, 11}}, want: []span{{0, 1}}},
		"two in neighbours": {data: [][2]int64{{0, 1}, {blockSize, blockSize + 1}}, want: []span{{0, 2}}},
		"two apart":         {data: [][2]int64{{0, 1}, {2 * blockSize, 3 * blockSize}}, want: []span{{0, 1}, {2, 1}}},
		"an offset":         {data: [][2]int64{{0, 512}, {blockSize, 2 * blockSize}}, offset: 512, want: []span{{0, 2}}},
		"beyond the end":    {data: [][2]int64{{0, 1}, {30 * blockSize, size}}, offset: 10, want: []span{{29, 1}}},
		"an end in a block": {data: [][2]int64{{19 * blockSize, size}}, offset: 10, want: []span{{18, 12}}},
	} {
		t.Run(name, func(t *testing.T) {
			length := int64(size)
			if c.offset > 0 {
				length = 30*blockSize - 3
			}
			r := &holey{strings.NewReader(strings.Repeat("x", size)), c.data}
			got, err := dataFinder{}.find(tree.Content{ReaderAt: r, Offset: c.offset, Size: length})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}
