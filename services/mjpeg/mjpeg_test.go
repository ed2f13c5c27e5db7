package mjpeg

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStream reads two pictures with the standard library's multipart reader.
func TestStream(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		Begin(w)
		for _, picture := range []string{"one", "two", "three"} {
			require.NoError(t, Write(w, []byte(picture)))
		}
	}))
	defer server.Close()
	res, err := http.Get(server.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/x-mixed-replace", kind)
	parts := multipart.NewReader(res.Body, params["boundary"])
	for _, want := range []string{"one", "two"} {
		p, err := parts.NextPart()
		require.NoError(t, err)
		require.Equal(t, "image/jpeg", p.Header.Get("Content-Type"))
		data, err := io.ReadAll(p)
		require.NoError(t, err)
		require.Equal(t, want, string(data))
	}
}
