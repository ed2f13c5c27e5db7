package source

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// layout returns the files of an OCI layout with the image.
func (m testImage) layout(tag string) map[string]string {
	out := map[string]string{
		"oci-layout": `{"imageLayoutVersion":"1.0.0"}`,
		"index.json": fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s]}`, descriptor(oci+"index.v1+json", m.index,
			fmt.Sprintf(`,"annotations":{"org.opencontainers.image.ref.name":%q}`, tag))),
	}
	for _, data := range append([][]byte{m.index, m.manifest, m.config}, m.blobs...) {
		out["blobs/sha256/"+digest.FromBytes(data).Encoded()] = string(data)
	}
	return out
}

// dir returns the files of skopeo's dir: transport.
func (m testImage) dir() map[string]string {
	out := map[string]string{"version": "Directory Transport Version: 1.1\n", "manifest.json": string(m.manifest)}
	for _, data := range append([][]byte{m.config}, m.blobs...) {
		out[digest.FromBytes(data).Encoded()] = string(data)
	}
	return out
}

// saved returns the files of an archive by docker save.
func (m testImage) saved(tag string) map[string]string {
	out := map[string]string{"config.json": string(m.config)}
	var names []string
	for i, diff := range m.diffs {
		names = append(names, fmt.Sprintf("%q", fmt.Sprintf("%d/layer.tar", i)))
		out[fmt.Sprintf("%d/layer.tar", i)] = string(diff)
	}
	out["manifest.json"] = fmt.Sprintf(`[{"Config":"config.json","RepoTags":[%q],"Layers":[%s]}]`, tag, strings.Join(names, ","))
	return out
}

func writeDir(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
}

func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.String()
}

func TestLocal(t *testing.T) {
	m := newTestImage(t, arm64, 10_000)
	dir := t.TempDir()
	writeDir(t, filepath.Join(dir, "layout"), m.layout("2.8"))
	write(t, filepath.Join(dir, "layout.tar"), archive(t, m.layout("2.8")))
	writeDir(t, filepath.Join(dir, "dir"), m.dir())
	write(t, filepath.Join(dir, "saved.tar"), archive(t, m.saved("caddy:2.8")))
	for _, from := range []string{
		"oci:layout:2.8", "oci:layout", "oci:" + dir + "/layout", "oci-archive:layout.tar", "dir:dir",
		"docker-archive:saved.tar", "docker-archive:saved.tar:docker.io/library/caddy:2.8",
	} {
		t.Run(from, func(t *testing.T) {
			c := client(t)
			c.Dir = dir
			ref := Reference{Name: "caddy:2.8", From: from}
			d, err := c.Resolve(t.Context(), ref)
			require.NoError(t, err)
			got, err := c.Fetch(t.Context(), Pinned{ref, d})
			require.NoError(t, err)
			require.Equal(t, []string{"docker.io/library/caddy:2.8"}, got.Names)
			require.Equal(t, digest.FromBytes(m.config), got.ID())
			require.True(t, c.Blobs.Complete(got))
			verifyBlobs(t, c.Blobs)
			for i, l := range got.Layers {
				require.Equal(t, digest.FromBytes(m.diffs[i]), l.DiffID)
				require.True(t, c.Blobs.Has(l.DiffID))
			}
			_, err = c.Fetch(t.Context(), Pinned{ref, digest.FromString("another")})
			require.ErrorContains(t, err, "the image changed since the lock was made; run pkbuild lock")
		})
	}
}

func TestLocalFaults(t *testing.T) {
	m := newTestImage(t, arm64, 1000)
	layer := digest.FromBytes(m.blobs[0])
	file := "layout/blobs/sha256/" + layer.Encoded()
	for name, test := range map[string]struct {
		from  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"no directory":    {"oci:none", nil, "image caddy (oci:none): oci:none: open index.json: no such file or directory"},
		"no archive":      {"docker-archive:none.tar", nil, "none.tar: no such file or directory"},
		"no such tag":     {"oci:layout:3", nil, `no descriptor found for reference "3"`},
		"no transport":    {"containers-storage:caddy", nil, `"containers-storage:caddy" is not the source of an image; write oci:DIRECTORY`},
		"no colon":        {"layout", nil, `"layout" is not the source of an image`},
		"a layer is gone": {"oci:layout", func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, file))) }, "layer " + layer.String() + ": oci:layout: "},
		"another layer": {"oci:layout", func(t *testing.T, dir string) { write(t, filepath.Join(dir, file), "x") },
			"layer " + layer.String() + ": oci:layout: connection to the registry ended"},
		"cut off archive": {"oci-archive:cut.tar", func(t *testing.T, dir string) {
			whole := archive(t, m.layout("2.8"))
			write(t, filepath.Join(dir, "cut.tar"), whole[:len(whole)/2])
		}, "oci-archive:cut.tar: "},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t)
			writeDir(t, filepath.Join(c.Dir, "layout"), m.layout("2.8"))
			if test.spoil != nil {
				test.spoil(t, c.Dir)
			}
			_, err := c.Fetch(t.Context(), Pinned{Reference{Name: "caddy", From: test.from}, m.digest()})
			require.ErrorContains(t, err, test.want)
			if !strings.Contains(test.want, "not the source") {
				verifyBlobs(t, c.Blobs)
			}
		})
	}
}
