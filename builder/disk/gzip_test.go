package disk

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGzipIsOneMember: not every program reads a gzip file of several members.
func TestGzipIsOneMember(t *testing.T) {
	var out bytes.Buffer
	g := &gzipFormat{}
	var want []byte
	for _, part := range []string{"first", "", "second part", string(make([]byte, 100_000))} {
		encoded, err := g.encode([]byte(part))
		require.NoError(t, err)
		require.NoError(t, g.add(&out, []byte(part), encoded))
		want = append(want, part...)
	}
	require.NoError(t, g.end(&out))
	r, err := gzip.NewReader(&out)
	require.NoError(t, err)
	r.Multistream(false)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Zero(t, out.Len())
}
