package ext4

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
)

func TestSameTreeSameBytes(t *testing.T) {
	for seed := range uint64(8) {
		o := testOptions
		o.OrphanFile = seed%2 == 0
		first, err := os.ReadFile(writeImage(t, randomTree(t, seed), o))
		require.NoError(t, err)
		second, err := os.ReadFile(writeImage(t, randomTree(t, seed), o))
		require.NoError(t, err)
		require.True(t, bytes.Equal(first, second), "seed %d", seed)
	}
}

// What the tree's contents are read from, and where in the file the partition begins, is not to be seen.
func TestSameBytesFromAnyReader(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 100_000)
	f, err := os.Create(filepath.Join(t.TempDir(), "content"))
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString("???" + text)
	require.NoError(t, err)
	write := func(c layers.Content, offset int64) []byte {
		tree := layers.NewTree()
		put(t, tree, "file", &layers.Node{Type: layers.Regular, Content: c})
		o := testOptions
		o.Size = 16 << 20
		image := filepath.Join(t.TempDir(), "image")
		out, err := os.Create(image)
		require.NoError(t, err)
		require.NoError(t, out.Truncate(offset+o.Size))
		require.NoError(t, Write(t.Context(), out, offset, tree, o))
		require.NoError(t, out.Close())
		b, err := os.ReadFile(image)
		require.NoError(t, err)
		require.Equal(t, make([]byte, offset), b[:offset])
		return b[offset:]
	}
	inline := write(layers.Inline(text), 0)
	require.True(t, bytes.Equal(inline, write(layers.Content{ReaderAt: f, Offset: 3, Size: int64(len(text))}, 4<<20)))
}
