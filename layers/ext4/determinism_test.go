package ext4

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
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
	write := func(c tree.Content, offset int64) []byte {
		files := tree.New()
		put(t, files, "file", &tree.Node{Type: tree.Regular, Content: c})
		o := testOptions
		o.Size = 16 << 20
		image := filepath.Join(t.TempDir(), "image")
		out, err := os.Create(image)
		require.NoError(t, err)
		require.NoError(t, out.Truncate(offset+o.Size))
		require.NoError(t, Write(t.Context(), out, offset, files, o))
		require.NoError(t, out.Close())
		b, err := os.ReadFile(image)
		require.NoError(t, err)
		require.Equal(t, make([]byte, offset), b[:offset])
		return b[offset:]
	}
	inline := write(tree.Inline(text), 0)
	require.True(t, bytes.Equal(inline, write(tree.Content{ReaderAt: f, Offset: 3, Size: int64(len(text))}, 4<<20)))
}
