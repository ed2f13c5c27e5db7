package ext4

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

var testOptions = Options{
	UUID: [16]byte{0xde, 0xad, 0xbe, 0xef, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, Label: "rootfs",
	Now: time.Unix(1_700_000_000, 0),
}

// writeImage writes a tree into a new file, with a size that leaves it room unless one is given.
func writeImage(t *testing.T, tree *tree.Tree, o Options) string {
	t.Helper()
	if o.Size == 0 {
		var err error
		o.Size, err = MinSize(tree, o, 1<<20)
		require.NoError(t, err)
	}
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(o.Size))
	require.NoError(t, Write(t.Context(), f, 0, tree, o))
	require.NoError(t, f.Close())
	return image
}

func put(t *testing.T, tree *tree.Tree, name string, n *tree.Node) {
	t.Helper()
	require.NoError(t, tree.Put(name, n))
}

func TestWriteIsCleanAtEverySize(t *testing.T) {
	files := tree.New()
	put(t, files, "etc/hostname", &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline("pk\n")})
	for i := range 3000 {
		put(t, files, fmt.Sprintf("many/file-%d", i), &tree.Node{Type: tree.Regular, Content: tree.Inline("x")})
	}
	for _, size := range []int64{
		0, 64 << 20, 128 << 20, 128<<20 + 4096, 129 << 20, 1 << 30, 3<<30 + 12345, 40 << 30, 1 << 40, 3 << 40,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			o := testOptions
			o.Size = size
			fsck(t, writeImage(t, files, o))
		})
	}
}
