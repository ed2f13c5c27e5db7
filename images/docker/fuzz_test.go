package docker

import (
	"archive/tar"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/disk/ext4"
	"github.com/PlanktoScope/pkbuild/images/internal/tars"
)

// Whatever a layer holds, it is an error or lies below the directory of the layer: nothing else of the store, and no file
// of the building machine, is touched.
func FuzzLayer(f *testing.F) {
	lower, upper := variety(f)
	sized := func(h *tar.Header) { h.PAXRecords = map[string]string{"VENDOR.x": strings.Repeat("x", 1000)} }
	for _, seed := range [][]byte{
		upper, nil, make([]byte, 1024), lower[:2000],
		archiveOf(f, tars.File("../../../../tmp/out", "x"), tars.File("/tmp/out", "x")),
		archiveOf(f, tars.Symlink("a", "/tmp"), tars.File("a/out", "x")),
		archiveOf(f, tars.Dir("a"), tars.Symlink("a/b", "../.."), tars.File("a/b/out", "x")),
		archiveOf(f, tars.Link("a", "../../../etc/passwd"), tars.Link("b", "/etc/passwd"), tars.Link("c", "c")),
		archiveOf(f, tars.File(".wh..", ""), tars.File(".wh...", ""), tars.File(".wh.", ""), tars.File(".wh..wh..opq", ""), tars.File("a/.wh..wh..opq", "")),
		archiveOf(f, tars.File(".wh.a", ""), tars.File("a", ""), tars.Dir("a"), tars.File("a/.wh.b", ""), tars.Dir("a/b")),
		archiveOf(f, tars.File("x", "y").With(sized), tars.Device(tar.TypeChar, "c", 0, 0)),
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
			require.NotContains(t, err.Error(), "docker's store", "what a layer holds has no place there")
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
		_, _ = ext4.Prepare(tree, ext4.Options{UUID: [16]byte{1}, Now: tars.Written()}, 0) // which may find no place for an attribute
		entries, err := os.ReadDir(s.dir)
		require.NoError(t, err)
		require.Len(t, entries, 2, "the archive, and the cache")
	})
}
