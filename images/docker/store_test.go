package docker

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// describe returns a line for each node of a tree: mode, owner, path, and content, target or device. Digests are numbered.
func describe(t *testing.T, files *tree.Tree, replace ...string) []string {
	t.Helper()
	var out []string
	short := strings.NewReplacer(replace...)
	for name, n := range files.Walk() {
		line := fmt.Sprintf("%04o %d:%d /%s", n.Mode, n.UID, n.GID, name)
		switch n.Type {
		case tree.Directory:
			line += "/"
		case tree.Regular:
			data, err := io.ReadAll(n.Content.Reader())
			require.NoError(t, err)
			switch {
			case strings.HasSuffix(name, ".gz"):
				data = []byte("...")
			case len(data) > 1000:
				data = []byte(digest.FromBytes(data))
			}
			line += fmt.Sprintf(" %q", data)
		case tree.Symlink:
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
	base := archiveOf(t, tartest.Dir("."), tartest.File("a", "old"), tartest.File("b", "keep"))
	upper := archiveOf(t, tartest.File(".wh.a", "").With(func(h *tar.Header) { h.Uid, h.Gid = 3, 4 }))
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

func TestTreeErrors(t *testing.T) {
	s := newShelf(t)
	base, other := archiveOf(t, tartest.File("a", "1")), archiveOf(t, tartest.File("a", "2"))
	deep := s.image("deep", numbered(t, images.MaxLayers+1)...)
	foreign := s.image("foreign", base)
	foreign.Layers[0].DiffID = digest.FromBytes(other)
	broken := s.image("broken", base)
	broken.Config = []byte("{")
	md5 := s.image("md5", base)
	md5.Config = []byte(`{"rootfs": {"diff_ids": ["sha512:1"]}}`)
	twice := archiveOf(t, tartest.File("a", "1"), tartest.File("a", "2"))
	out := archiveOf(t, tartest.File("../a", ""))
	for want, all := range map[string][]images.Image{
		"image deep: image has 128 layers: Docker mounts at most 127":                                    {deep},
		"image foreign: image layers differ from the diff IDs in the image's configuration":              {foreign},
		"image broken: configuration: unexpected end of JSON input":                                      {broken},
		`image md5: "sha512:1" is not a SHA-256 digest`:                                                  {md5},
		`image name "Up": invalid reference format: repository name must be lowercase`:                   {s.image("Up", base)},
		"layer " + digest.FromBytes(twice).String() + ": archive has a path twice, which Docker rejects": {s.image("a", twice)},
		"layer " + digest.FromBytes(out).String() + `: tar entry "../a": path "../a" contains ".."`:      {s.image("a", base, out)},
	} {
		_, err := s.tree(all...)
		require.EqualError(t, err, want)
	}
	_, err := s.tree(s.image("a:1", base), s.image("docker.io/library/a:1", other))
	require.ErrorContains(t, err, "image name a:1 is used for two images, sha256:")
}

func TestNames(t *testing.T) {
	s := newShelf(t)
	image := s.image("x", archiveOf(t))
	id, pin, own := image.ID().String(), digest.FromString("pin").String(), digest.FromString("own").String()
	for name, want := range map[string]string{
		"caddy":                     fmt.Sprintf(`{"caddy":{"caddy:latest":%q}}`, id),
		"docker.io/library/caddy:2": fmt.Sprintf(`{"caddy":{"caddy:2":%q}}`, id),
		"ghcr.io/a/b:1@" + pin:      fmt.Sprintf(`{"ghcr.io/a/b":{"ghcr.io/a/b:1":%q,"ghcr.io/a/b@%s":%q}}`, id, pin, id),
		"localhost:5000/a@" + pin:   fmt.Sprintf(`{"localhost:5000/a":{"localhost:5000/a@%s":%q}}`, pin, id),
	} {
		image.Names, image.Digest = []string{name}, ""
		got, err := repositories([]images.Image{image})
		require.NoError(t, err)
		require.JSONEq(t, `{"Repositories":`+want+`}`, got, name)
	}
	image.Names, image.Digest = []string{"caddy:1", "caddy:2"}, digest.Digest(own)
	got, err := repositories([]images.Image{image, image})
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"Repositories":{"caddy":{"caddy:1":%q,"caddy:2":%q,"caddy@%s":%q}}}`, id, id, own, id), got)
}

func TestSameTree(t *testing.T) {
	s := newShelf(t)
	lower, upper := variety(t)
	all := []images.Image{s.image("a", lower, upper), s.image("b", lower)}
	one, err := s.tree(all...)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "split")))
	two, err := s.tree(all...)
	require.NoError(t, err)
	require.Equal(t, one.MetadataDigest(), two.MetadataDigest())
	for name, n := range one.Walk() {
		want, err := io.ReadAll(n.Content.Reader())
		require.NoError(t, err)
		got, err := io.ReadAll(two.Get(name).Content.Reader())
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
}
