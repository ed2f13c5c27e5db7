package source

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// counter counts the bytes of responses that are no errors.
type counter struct {
	http.ResponseWriter
	n      *atomic.Int64
	failed bool
}

func (c *counter) WriteHeader(status int) {
	c.failed = status >= 400
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(data []byte) (int, error) {
	n, err := c.ResponseWriter.Write(data)
	if !c.failed {
		c.n.Add(int64(n))
	}
	return n, err
}

// TestResume continues a layer of which the blob store has a part: the registry sends the rest, and only that.
func TestResume(t *testing.T) {
	m := newTestImage(t, arm64, 100_000)
	blob := m.blobs[2]
	d := digest.FromBytes(blob)
	const have = 60_000
	login := `{"auths": {%q: {"auth": "` + base64.StdEncoding.EncodeToString([]byte("me:secret")) + `"}}}`
	type fault = func(http.ResponseWriter, *http.Request) bool
	none := func(*registry) fault { return nil }
	for name, test := range map[string]struct {
		fault func(*registry) fault
		auth  string
		plain bool // HTTP
		part  []byte
		sent  int
		wants string // an error
	}{
		"no login": {fault: none, part: blob[:have], sent: len(blob) - have},
		"basic":    {fault: func(*registry) fault { return basic }, auth: login, part: blob[:have], sent: len(blob) - have},
		"bearer":   {fault: bearer, auth: login, part: blob[:have], sent: len(blob) - have},
		"HTTP":     {fault: none, plain: true, part: blob[:have], sent: len(blob) - have},
		"no ranges": {fault: func(*registry) fault {
			return withoutRanges(func(http.ResponseWriter, *http.Request) bool { return false })
		}, part: blob[:have], sent: len(blob)},
		"complete":      {fault: none, part: blob, sent: 0},
		"longer":        {fault: none, part: append(blob[:len(blob):len(blob)], 'x'), sent: len(blob)},
		"other content": {fault: none, part: make([]byte, have), sent: 2*len(blob) - have},
		"wrong range": {fault: func(*registry) fault {
			return some(always, d.String(), func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Range", "bytes 0-9/10")
				w.WriteHeader(http.StatusPartialContent)
			})
		}, part: blob[:have], wants: `read blob from byte 60000: the server sent the range "bytes 0-9/10" (3 attempts)`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			r.push(m, "caddy", "2.8")
			r.fault = test.fault(r)
			c, host := client(t, r), r.host()
			var sent atomic.Int64
			handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.Contains(req.URL.Path, d.String()) {
					w = &counter{ResponseWriter: w, n: &sent}
				}
				r.ServeHTTP(w, req)
			})
			r.Config.Handler = handler
			if test.plain {
				plain := httptest.NewServer(handler)
				defer plain.Close()
				host = plain.Listener.Addr().String()
				write(t, c.System.SystemRegistriesConfPath, fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", host))
			}
			if test.auth != "" {
				write(t, c.System.AuthFilePath, fmt.Sprintf(test.auth, host))
			}
			write(t, c.Blobs.Path(d)+".part", string(test.part))
			got, err := c.Fetch(t.Context(), Pinned{Reference{Name: host + "/caddy:2.8"}, m.digest()})
			if test.wants != "" {
				require.ErrorContains(t, err, test.wants)
				return
			}
			require.NoError(t, err)
			requireFetched(t, c, m, got)
			require.EqualValues(t, test.sent, sent.Load(), "bytes of the layer that the registry sent")
		})
	}
}

// TestRedirect resumes a layer that the registry serves from another host, which gets no credentials.
func TestRedirect(t *testing.T) {
	m := newTestImage(t, arm64, 100_000)
	blob := m.blobs[2]
	d := digest.FromBytes(blob)
	var header http.Header
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(blob))
	}))
	defer cdn.Close()
	r := newRegistry(t)
	r.push(m, "caddy", "2.8")
	r.fault = func(w http.ResponseWriter, req *http.Request) bool {
		if basic(w, req) {
			return true
		}
		if strings.Contains(req.URL.Path, d.String()) {
			http.Redirect(w, req, cdn.URL+"/signed?x=y", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	c := client(t, r)
	write(t, c.System.AuthFilePath, fmt.Sprintf(`{"auths": {%q: {"auth": "bWU6c2VjcmV0"}}}`, r.host()))
	write(t, c.Blobs.Path(d)+".part", string(blob[:60_000]))
	got, err := c.Fetch(t.Context(), Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()})
	require.NoError(t, err)
	requireFetched(t, c, m, got)
	require.Equal(t, "bytes=60000-", header.Get("Range"))
	require.Empty(t, header.Get("Authorization"))
}
