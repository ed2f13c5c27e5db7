package docker

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/layers"
)

// describe lists a tree as lines of permissions, owner, path, and content, target or device; long digests by number.
func describe(t *testing.T, tree *layers.Tree, replace ...string) []string {
	t.Helper()
	var out []string
	short := strings.NewReplacer(replace...)
	for name, n := range tree.Walk() {
		line := fmt.Sprintf("%04o %d:%d /%s", n.Mode, n.UID, n.GID, name)
		switch n.Type {
		case layers.Directory:
			line += "/"
		case layers.Regular:
			data, err := io.ReadAll(n.Content.Reader())
			require.NoError(t, err)
			switch {
			case strings.HasSuffix(name, ".gz"):
				data = []byte("...")
			case len(data) > 1000:
				data = []byte(digest.FromBytes(data))
			}
			line += fmt.Sprintf(" %q", data)
		case layers.Symlink:
			line += " -> " + n.Target
		default:
			line += fmt.Sprintf(" %d:%d", n.Major, n.Minor)
		}
		if len(n.Xattrs) > 0 {
			line += fmt.Sprint(" ", n.Xattrs)
		}
		out = append(out, short.Replace(line))
	}
	return out
}

func TestTree(t *testing.T) {
	s := newShelf(t)
	base := archiveOf(t, dir("."), file("a", "old"), file("b", "keep"))
	upper := archiveOf(t, file(".wh.a", "").with(func(h *tar.Header) { h.Uid, h.Gid = 3, 4 }))
	one, two := s.image("caddy:2", base, upper), s.image("ghcr.io/a/b:1", base)
	one.Digest = digest.FromString("manifest")
	tree, err := s.tree(one, two)
	require.NoError(t, err)
	require.True(t, tree.Root.Sealed)

	chains, err := chainsOf([]images.Image{one, two})
	require.NoError(t, err)
	require.Len(t, chains, 2, "the base is shared")
	names := []string{
		"sha256:" + one.ID().Encoded(), "ID1", one.ID().Encoded(), "ID1", "sha256:" + two.ID().Encoded(), "ID2", two.ID().Encoded(), "ID2",
		string(one.Config), "CONFIG1", fmt.Sprintf("%q", one.Config), "CONFIG1", fmt.Sprintf("%q", two.Config), "CONFIG2",
		one.Digest.String(), "MANIFEST",
	}
	for i, c := range chains {
		names = append(names, c.DiffID.String(), fmt.Sprint("DIFF", i), c.DiffID.Encoded(), fmt.Sprint("DIFF", i),
			c.id.String(), fmt.Sprint("CHAIN", i), c.id.Encoded(), fmt.Sprint("CHAIN", i), c.link(), fmt.Sprint("LINK", i))
	}
	want, err := os.ReadFile("testdata/store.txt")
	require.NoError(t, err)
	got := strings.Join(describe(t, tree, names...), "\n") + "\n"
	require.Equal(t, string(want), got)
}
