package layerstore_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
	"github.com/PlanktoScope/pkbuild/stages/docker/layerstore"
)

// fixture is a Docker store with one image of two layers.
type fixture struct {
	layerstore.Store
	blobs images.Blobs
	image images.Image
	chain [2]digest.Digest
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	needs.Root(t)
	f := fixture{Store: layerstore.Store{Root: t.TempDir()}, blobs: images.Blobs{Dir: t.TempDir()}}
	var diffs []digest.Digest
	for _, entries := range [][]tartest.Entry{
		{tartest.Dir("bin"), tartest.File("bin/hello", "hello, world"), tartest.Symlink("hi", "bin/hello"), tartest.Link("hey", "bin/hello"),
			tartest.File("empty", "")},
		{tartest.Dir("etc"), tartest.File("etc/name", strings.Repeat("x", 5000)), tartest.File(".wh.hi", "")},
	} {
		archive, err := tartest.Of(entries...)
		require.NoError(t, err)
		id, err := f.blobs.PutBytes(t.Context(), archive)
		require.NoError(t, err)
		diffs = append(diffs, id)
		f.image.Layers = append(f.image.Layers, images.Layer{Digest: id, DiffID: id, Size: int64(len(archive))})
	}
	f.chain = [2]digest.Digest(identity.ChainIDs([]digest.Digest{diffs[0], diffs[1]}))
	var err error
	f.image.Config, err = json.Marshal(map[string]any{"architecture": "arm64", "os": "linux",
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs}})
	require.NoError(t, err)
	made, err := docker.Store{Diff: f.blobs.Diff, Cache: filepath.Join(f.blobs.Dir, "tar-split")}.Tree(t.Context(), []images.Image{f.image})
	require.NoError(t, err)
	made.Root.Sealed = false
	require.NoError(t, made.Extract(t.Context(), f.Root, tree.ExtractOptions{}))
	return f
}

// file returns the path of a file of a layer.
func (f fixture) file(layer int, name string) string {
	return filepath.Join(f.Root, "overlay2", f.chain[layer].Encoded(), name)
}

// metadata returns the path of a file of a layer's metadata.
func (f fixture) metadata(layer int, name string) string {
	return filepath.Join(f.Root, "image/overlay2/layerdb/sha256", f.chain[layer].Encoded(), name)
}

func (f fixture) check(t *testing.T, depth layerstore.Depth) (out []string) {
	t.Helper()
	all, err := f.Check(t.Context(), depth, f.image.ID())
	require.NoError(t, err)
	for _, d := range all {
		text := d.String()
		for n, l := range f.image.Layers {
			text = strings.ReplaceAll(text, l.DiffID.String(), []string{"BASE", "TOP"}[n])
		}
		out = append(out, strings.NewReplacer(f.image.ID().String(), "IMAGE", f.chain[1].Encoded(), "CHAIN").Replace(text))
	}
	return out
}

func TestCheckAndRepair(t *testing.T) {
	write := func(content string) func(*testing.T, string) {
		return func(t *testing.T, name string) { require.NoError(t, os.WriteFile(name, []byte(content), 0o644)) }
	}
	remove := func(t *testing.T, name string) { require.NoError(t, os.RemoveAll(name)) }
	for name, test := range map[string]struct {
		path   func(fixture) string
		damage func(*testing.T, string)
		sizes  []string // what Sizes finds; nil: the same as Contents
		want   []string
	}{
		"empty file": {func(f fixture) string { return f.file(0, "diff/bin/hello") }, write(""), nil,
			[]string{"layer BASE: bin/hello has 0 bytes, want 12"}},
		"changed file": {func(f fixture) string { return f.file(0, "diff/bin/hello") }, write("hello, mould"), []string{},
			[]string{`layer BASE: file integrity checksum failed for "bin/hello"`}},
		"missing file": {func(f fixture) string { return f.file(1, "diff/etc/name") }, remove, nil,
			[]string{"layer TOP: etc/name: no such file or directory"}},
		"missing empty file": {func(f fixture) string { return f.file(0, "diff/empty") }, remove, []string{},
			[]string{"layer BASE: empty: no such file or directory"}},
		"symlink became a file": {func(f fixture) string { return f.file(0, "diff/hi") }, func(t *testing.T, name string) {
			remove(t, name)
			write("")(t, name)
		}, []string{}, []string{"layer BASE: hi is a file, want a symlink"}},
		"other symlink": {func(f fixture) string { return f.file(0, "diff/hi") }, func(t *testing.T, name string) {
			remove(t, name)
			require.NoError(t, os.Symlink("/", name))
		}, []string{}, []string{`layer BASE: hi is a symlink to "/", want "bin/hello"`}},
		"no directory":    {func(f fixture) string { return f.file(1, "diff") }, remove, nil, []string{"layer TOP: no such file or directory"}},
		"empty tar-split": {func(f fixture) string { return f.metadata(1, "tar-split.json.gz") }, write(""), nil, []string{"layer TOP: tar-split.json.gz: EOF"}},
		"empty cache-id":  {func(f fixture) string { return f.metadata(1, "cache-id") }, write(""), nil, []string{`layer TOP: cache-id is ""`}},
		"empty diff":      {func(f fixture) string { return f.metadata(1, "diff") }, write(""), nil, []string{`layer TOP: diff ID is ""`}},
		"other parent":    {func(f fixture) string { return f.metadata(1, "parent") }, write("sha256:0"), nil, []string{`layer TOP: parent is "sha256:0"`}},
		"no metadata": {func(f fixture) string { return f.metadata(1, "") }, remove, nil,
			[]string{"layer TOP: diff ID: no such file or directory"}},
		"empty lower": {func(f fixture) string { return f.file(1, "lower") }, write(""), nil, []string{`layer TOP: lower is ""`}},
		"empty link":  {func(f fixture) string { return f.file(0, "link") }, write(""), nil, []string{`layer BASE: link is ""`}},
		"no configuration": {func(f fixture) string {
			return filepath.Join(f.Root, "image/overlay2/imagedb/content/sha256", f.image.ID().Encoded())
		}, remove, nil, []string{"configuration of image IMAGE: missing"}},
		"empty configuration": {func(f fixture) string {
			return filepath.Join(f.Root, "image/overlay2/imagedb/content/sha256", f.image.ID().Encoded())
		}, write(""), nil, []string{"configuration of image IMAGE: content does not have the digest in its name"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			require.Empty(t, f.check(t, layerstore.Contents))
			require.Empty(t, f.check(t, layerstore.Sizes))
			test.damage(t, test.path(f))
			require.Equal(t, test.want, f.check(t, layerstore.Contents))
			if test.sizes == nil {
				test.sizes = test.want
			}
			require.ElementsMatch(t, test.sizes, f.check(t, layerstore.Sizes))
			damage, err := f.Check(t.Context(), layerstore.Contents, f.image.ID())
			require.NoError(t, err)
			before, err := os.Stat(f.file(0, "diff"))
			require.NoError(t, err)
			require.NoError(t, f.Repair(t.Context(), f.blobs, []images.Image{f.image}, damage))
			require.Empty(t, f.check(t, layerstore.Contents))
			after, err := os.Stat(f.file(0, "diff"))
			require.NoError(t, err)
			require.Equal(t, !strings.Contains(test.want[0], "BASE"), os.SameFile(before, after), "an intact layer stays")
			left, err := filepath.Glob(filepath.Join(f.Root, "overlay2/*/diff.*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestCheckWithoutStore(t *testing.T) {
	_, err := layerstore.Store{Root: "/nonexistent"}.Check(t.Context(), layerstore.Sizes, "sha256:0")
	require.EqualError(t, err, "read Docker's store: open /nonexistent/image/overlay2/layerdb/sha256: no such file or directory")
}

func TestFind(t *testing.T) {
	s := layerstore.Store{Root: t.TempDir()}
	_, found := s.Find("caddy:2")
	require.False(t, found)
	id, manifest := digest.FromString("id"), digest.FromString("manifest")
	put := func(text string) {
		require.NoError(t, os.MkdirAll(filepath.Join(s.Root, "image/overlay2"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(s.Root, "image/overlay2/repositories.json"), []byte(text), 0o644))
	}
	put(`{"Repositories": {"caddy": {"caddy:2": "` + id.String() + `", "caddy@` + manifest.String() + `": "` + id.String() + `", "caddy:3": ""}}}`)
	pin, found := s.Find("docker.io/library/caddy:2")
	require.True(t, found)
	require.Equal(t, images.Pin{Name: "docker.io/library/caddy:2", ID: id, Digest: manifest}, pin)
	for _, name := range []string{"caddy:3", "caddy:4", "other", "?"} {
		_, found = s.Find(name)
		require.False(t, found, name)
	}
	put("{")
	_, found = s.Find("caddy:2")
	require.False(t, found)
}
