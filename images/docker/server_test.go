package docker

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/registrytest"
)

// server is a registry on the loopback network, which Docker accepts without TLS.
type server struct {
	*registrytest.Registry
	t    *testing.T
	http *httptest.Server
}

func newServer(t *testing.T) *server {
	s := &server{Registry: &registrytest.Registry{Dir: t.TempDir()}, t: t}
	s.http = httptest.NewServer(s.Registry)
	t.Cleanup(s.http.Close)
	return s
}

func (s *server) host() string { return strings.TrimPrefix(s.http.URL, "http://") }

// push pushes an image with compressed layers, and returns it as source would after a download.
func (s *server) push(sh shelf, image images.Image) images.Image {
	s.t.Helper()
	name, tag, _ := strings.Cut(image.Names[0], ":")
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	manifest.Config = s.blob(v1.MediaTypeImageConfig, image.Config)
	for i, l := range image.Layers {
		archive, err := os.ReadFile(sh.path(l.DiffID))
		require.NoError(s.t, err)
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, err = w.Write(archive)
		require.NoError(s.t, err)
		require.NoError(s.t, w.Close())
		d := s.blob(v1.MediaTypeImageLayerGzip, zipped.Bytes())
		manifest.Layers = append(manifest.Layers, d)
		image.Layers[i].Digest, image.Layers[i].Size, image.Layers[i].MediaType = d.Digest, d.Size, d.MediaType
	}
	var err error
	image.Manifest, err = json.Marshal(manifest)
	require.NoError(s.t, err)
	image.Digest = digest.FromBytes(image.Manifest)
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.http.URL+"/v2/"+name+"/manifests/"+tag, bytes.NewReader(image.Manifest))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", manifest.MediaType)
	answer, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusCreated, answer.StatusCode)
	require.NoError(s.t, answer.Body.Close())
	image.Names = []string{s.host() + "/" + image.Names[0]}
	return image
}

func (s *server) blob(mediaType string, data []byte) v1.Descriptor {
	s.t.Helper()
	d := digest.FromBytes(data)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.Dir, d.Encoded()), data, 0o644))
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}
