package docker

import (
	"archive/tar"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/tartest"
	"github.com/PlanktoScope/pkbuild/layers/ext4"
)

// The fuzz target reads arbitrary layers: it fails if a file lies outside of the layer's directory.
func FuzzLayer(f *testing.F) {
	lower, upper := variety(f)
	sized := func(h *tar.Header) { h.PAXRecords = map[string]string{"VENDOR.x": strings.Repeat("x", 1000)} }
	for _, seed := range [][]byte{
		upper, nil, make([]byte, 1024), lower[:2000],
		archiveOf(f, tartest.File("../../../../tmp/out", "x"), tartest.File("/tmp/out", "x")),
		archiveOf(f, tartest.Symlink("a", "/tmp"), tartest.File("a/out", "x")),
		archiveOf(f, tartest.Dir("a"), tartest.Symlink("a/b", "../.."), tartest.File("a/b/out", "x")),
		archiveOf(f, tartest.Link("a", "../../../etc/passwd"), tartest.Link("b", "/etc/passwd"), tartest.Link("c", "c")),
		archiveOf(f, tartest.File(".wh..", ""), tartest.File(".wh...", ""), tartest.File(".wh.", ""), tartest.File(".wh..wh..opq", ""), tartest.File("a/.wh..wh..opq", "")),
		archiveOf(f, tartest.File(".wh.a", ""), tartest.File("a", ""), tartest.Dir("a"), tartest.File("a/.wh.b", ""), tartest.Dir("a/b")),
		archiveOf(f, tartest.File("x", "y").With(sized), tartest.Device(tar.TypeChar, "c", 0, 0)),
	} {
		f.Add(seed)
	}
	empty := newShelf(f)
	around, err := empty.tree(empty.image("fuzz", nil))
	require.NoError(f, err)
	usual := len(maps.Collect(around.Walk()))
	f.Fuzz(func(t *testing.T, archive []byte) {
		s := newShelf(t)
		image := s.image("fuzz", archive)
		tree, err := s.tree(image)
		if err != nil {
			require.NotContains(t, err.Error(), "docker's store", "outside of the layer")
			return
		}
		own := "overlay2/" + image.Layers[0].DiffID.Encoded() + "/diff"
		outside := 0
		for name, n := range tree.Walk() {
			require.NotContains(t, strings.Split(name, "/"), "..")
			if !strings.HasPrefix(name, own+"/") {
				outside++
				require.False(t, n.IsWhiteout(), name)
			}
			if n.Content.Size > 0 && n.Content.ReaderAt != nil {
				if file, ok := n.Content.ReaderAt.(*os.File); ok && filepath.Base(file.Name()) == image.Layers[0].DiffID.Encoded() {
					require.LessOrEqual(t, n.Content.Offset+n.Content.Size, int64(len(archive)), name)
				}
			}
		}
		require.Equal(t, usual, outside)
		_, _ = ext4.Prepare(tree, ext4.Options{UUID: [16]byte{1}, Now: tartest.Written()}, 0) // which may find no place for an attribute
		entries, err := os.ReadDir(s.dir)
		require.NoError(t, err)
		require.Len(t, entries, 2, "the archive, and the cache")
	})
}
