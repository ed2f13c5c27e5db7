package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/dockertest"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
)

// daemon is a Docker daemon whose store is inspected.
type daemon struct {
	*dockertest.Daemon
	t *testing.T
}

// startDocker starts a daemon with a data directory, which stops at the end of the test.
func startDocker(t *testing.T, data string) *daemon {
	t.Helper()
	return &daemon{dockertest.Start(t, data), t}
}

// docker runs a docker command and returns its output.
func (d *daemon) docker(args ...string) string {
	d.t.Helper()
	return d.Run(nil, args...)
}

// load loads images from an archive.
func (d *daemon) load(s shelf, all ...images.Image) {
	d.t.Helper()
	d.Run(savedOf(d.t, s, all...), "load")
}

// savedOf returns an archive of images in the format of `docker save`.
func savedOf(t *testing.T, s shelf, all ...images.Image) []byte {
	t.Helper()
	type saved struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var manifest []saved
	files := map[string][]byte{}
	for _, image := range all {
		m := saved{Config: image.ID().Encoded() + ".json", RepoTags: image.Names}
		files[m.Config] = image.Config
		for _, l := range image.Layers {
			name := l.DiffID.Encoded() + "/layer.tar"
			var err error
			files[name], err = os.ReadFile(s.path(l.DiffID))
			require.NoError(t, err)
			m.Layers = append(m.Layers, name)
		}
		manifest = append(manifest, m)
	}
	var err error
	files["manifest.json"], err = json.Marshal(manifest)
	require.NoError(t, err)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err := w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// diffDir returns the directory with a layer's files.
func (d *daemon) diffDir(l *chainLayer) string {
	d.t.Helper()
	id, err := os.ReadFile(filepath.Join(d.Data, "image/overlay2/layerdb/sha256", l.id.Encoded(), "cache-id"))
	require.NoError(d.t, err)
	return filepath.Join(d.Data, "overlay2", string(id), "diff")
}

// names returns the names in a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// numbered returns n archives of one file each.
func numbered(t *testing.T, n int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, archiveOf(t, tartest.File(fmt.Sprintf("layers/%d", i), fmt.Sprint(i))))
	}
	return out
}
