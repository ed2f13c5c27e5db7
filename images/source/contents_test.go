package source

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// TestContents fetches the layers of an image whose configuration no container could run.
func TestContents(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 1000)
	artifact := strings.ReplaceAll(string(m.manifest), oci+"config.v1+json", "application/vnd.oci.empty.v1+json")
	m.manifest = []byte(artifact)
	m.index = m.manifest
	r.push(m, "data", "1")
	r.fault = some(always, digest.FromBytes(m.config).String(), status(500))
	c := client(t, r)
	c.Platform.Architecture = "riscv64"
	ref := Pinned{Reference: Reference{Name: r.host() + "/data:1"}}
	got, err := c.Contents(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, m.digest(), got.Digest)
	require.Empty(t, r.requests("/blobs/"))

	_, err = c.FetchContents(t.Context(), ref, 2000)
	require.EqualError(t, err, "layers of the image have more than the allowed 2000 bytes")
	require.Empty(t, r.requests("/blobs/"))
	got, err = c.FetchContents(t.Context(), ref, 1<<20)
	require.NoError(t, err)
	require.Equal(t, m.digest(), got.Digest)
	require.Equal(t, len(m.blobs), verifyBlobs(t, c.Blobs))
	for i, l := range got.Layers {
		require.Equal(t, digest.FromBytes(m.blobs[i]), l.Digest)
		require.True(t, c.Blobs.Has(l.Digest))
	}

	ref.Digest = digest.FromString("other")
	_, err = c.FetchContents(t.Context(), ref, 1<<20)
	require.ErrorContains(t, err, "manifest unknown")
}
