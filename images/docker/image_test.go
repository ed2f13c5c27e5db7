package docker

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// archiveOf returns an uncompressed layer.
func archiveOf(t testing.TB, entries ...tartest.Entry) []byte {
	t.Helper()
	archive, err := tartest.Of(entries...)
	require.NoError(t, err)
	return archive
}

// variety returns the archives of tartest.Variety.
func variety(t testing.TB) (lower, upper []byte) {
	t.Helper()
	lower, upper, err := tartest.Variety(tartest.Foreign())
	require.NoError(t, err)
	return lower, upper
}

// shelf has the archives of layers by their digests.
type shelf struct {
	t   testing.TB
	dir string
}

func newShelf(t testing.TB) shelf { return shelf{t, t.TempDir()} }

func (s shelf) path(d digest.Digest) string { return filepath.Join(s.dir, d.Encoded()) }

// diff implements Store.Diff.
func (s shelf) diff(_ context.Context, l images.Layer) (*os.File, error) {
	return os.Open(s.path(l.DiffID))
}

// tree returns the store of images.
func (s shelf) tree(all ...images.Image) (*tree.Tree, error) {
	return Store{Diff: s.diff, Cache: filepath.Join(s.dir, "split")}.Tree(s.t.Context(), all)
}

// image returns an image for arm64 with uncompressed layers.
func (s shelf) image(name string, archives ...[]byte) images.Image {
	s.t.Helper()
	var ids []digest.Digest
	out := images.Image{Names: []string{name}}
	for _, a := range archives {
		id := digest.FromBytes(a)
		require.NoError(s.t, os.WriteFile(s.path(id), a, 0o644))
		ids = append(ids, id)
		out.Layers = append(out.Layers, images.Layer{Digest: id, DiffID: id, Size: int64(len(a))})
	}
	var err error
	out.Config, err = json.Marshal(map[string]any{
		"architecture": "arm64", "os": "linux", "created": "2025-01-02T03:04:05Z",
		"config": map[string]any{"Cmd": []string{"/bin/hello"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	require.NoError(s.t, err)
	return out
}
