package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// Downloads with known sizes are tested with packages, in layers/debian.

var content = strings.Repeat("0123456789", 1000)

// server serves the content, after one request for each handler in first.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []http.Header
}

func newServer(t *testing.T, etag string, first ...http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.requests)
		s.requests = append(s.requests, r.Header)
		s.mu.Unlock()
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		if n < len(first) {
			first[n](w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) ranges() []string {
	var out []string
	for _, h := range s.requests {
		out = append(out, h.Get("Range"))
	}
	return out
}

func quick() Options {
	return Options{Retry: Retry{Attempts: 3, Backoff: time.Millisecond, StallTimeout: time.Second}}
}

func destination(t *testing.T, content string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	_, err = f.WriteString(content)
	require.NoError(t, err)
	return f
}

func holds(t *testing.T, f *os.File, want string) {
	t.Helper()
	got, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.True(t, want == string(got))
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// cut sends the beginning of a file and closes the connection.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = w.Write([]byte(content[:777]))
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// TestResumeWithUnknownSize resumes a partial file, which may already be complete.
func TestResumeWithUnknownSize(t *testing.T) {
	for name, test := range map[string]struct {
		there  string
		ranges []string
	}{
		"nothing":       {"", []string{""}},
		"the beginning": {content[:777], []string{"bytes=777-"}},
		"all":           {content, []string{"bytes=10000-"}},
		"another file":  {strings.Repeat("x", len(content)), []string{"bytes=10000-", ""}},
		"a longer file": {content + "x", []string{"bytes=10001-", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			s, f, last := newServer(t, ""), destination(t, test.there), [2]int64{}
			o := quick()
			o.Progress = func(done, total int64) { last = [2]int64{done, total} }
			require.NoError(t, Fetch(t.Context(), File{URL: s.URL, SHA256: digest(content)}, f, o))
			holds(t, f, content)
			require.Equal(t, test.ranges, s.ranges())
			if name != "all" {
				require.Equal(t, [2]int64{10_000, 10_000}, last)
			}
		})
	}
}

// TestResumeWithUnknownDigest resumes only if the server promises the same file.
func TestResumeWithUnknownDigest(t *testing.T) {
	for name, test := range map[string]struct {
		etag   string
		ranges []string
	}{
		"strong ETag": {`"1"`, []string{"", "bytes=777-"}},
		"weak ETag":   {`W/"1"`, []string{"", ""}},
		"no ETag":     {"", []string{"", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			s, f := newServer(t, test.etag, cut), destination(t, "of another file")
			require.NoError(t, Fetch(t.Context(), File{URL: s.URL}, f, quick()))
			holds(t, f, content)
			require.Equal(t, test.ranges, s.ranges())
		})
	}
}

// TestFileChangesWhileItIsDownloaded: the server has another file under the name at the second attempt.
func TestFileChangesWhileItIsDownloaded(t *testing.T) {
	s, f := newServer(t, `"2"`, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		cut(w, r)
	}), destination(t, "")
	require.NoError(t, Fetch(t.Context(), File{URL: s.URL}, f, quick()))
	holds(t, f, content)
	require.Equal(t, `"1"`, s.requests[1].Get("If-Range"))
}

func TestRetriedStatus(t *testing.T) {
	for code, retried := range map[int]bool{400: false, 403: false, 404: false, 410: false, 408: true, 429: true, 500: true, 503: true} {
		s := newServer(t, "", status(code))
		err := Fetch(t.Context(), File{URL: s.URL}, destination(t, ""), quick())
		if retried {
			require.NoError(t, err, code)
			continue
		}
		require.EqualError(t, err, fmt.Sprintf("server answered %d %s", code, http.StatusText(code)))
		require.Equal(t, code == 404 || code == 410, IsGone(err), code)
	}
}

func TestStall(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	s, o := newServer(t, "", silent, silent, silent), quick()
	o.Retry.StallTimeout = 20 * time.Millisecond
	require.EqualError(t, Fetch(t.Context(), File{URL: s.URL}, destination(t, ""), o), "server sent nothing for 20ms (3 attempts)")
}

func TestMaxSize(t *testing.T) {
	s, o := newServer(t, ""), quick()
	o.MaxSize = int64(len(content))
	require.NoError(t, Fetch(t.Context(), File{URL: s.URL}, destination(t, ""), o))
	o.MaxSize--
	err := Fetch(t.Context(), File{URL: s.URL}, destination(t, ""), o)
	require.EqualError(t, err, "file to download is too large: more than 9999 bytes")
	require.ErrorIs(t, err, ErrTooLarge)
	require.Len(t, s.requests, 2)
}

func TestFileURL(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a b"), []byte(content), 0o644))
	f := destination(t, "x")
	require.NoError(t, Fetch(t.Context(), File{URL: "file://" + dir + "/a%20b", SHA256: digest(content)}, f, quick()))
	holds(t, f, content)
	o := quick()
	o.Retry.Backoff = time.Hour
	err := Fetch(t.Context(), File{URL: "file:" + dir + "/a%20b", SHA256: "00"}, f, o)
	require.EqualError(t, err, "downloaded file has SHA-256 "+digest(content)+", want 00", "another attempt would read the same file")
	err = Fetch(t.Context(), File{URL: "file:" + dir + "/missing"}, f, o)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.True(t, IsGone(err))
	err = Fetch(t.Context(), File{URL: "file://" + dir + "/a%20b", SHA256: digest("other")}, f, o)
	require.EqualError(t, err, "downloaded file has SHA-256 "+digest(content)+", want "+digest("other"), "a local file is not retried")
}

func TestFetchStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newServer(t, "", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	require.ErrorIs(t, Fetch(ctx, File{URL: s.URL}, destination(t, ""), quick()), context.Canceled)
	require.Len(t, s.requests, 1)
}

// TestWaitIsReported: a server that sends nothing is named, without a password.
func TestWaitIsReported(t *testing.T) {
	s := newServer(t, "", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	messages := make(chan string, 10)
	ctx := waiting.With(t.Context(), waiting.Notifier{After: 10 * time.Millisecond, Every: time.Hour, Notify: func(m string) { messages <- m }})
	o := quick()
	o.Retry.StallTimeout = 100 * time.Millisecond
	address := strings.Replace(s.URL, "//", "//me:secret@", 1)
	require.NoError(t, Fetch(ctx, File{URL: address, SHA256: digest(content)}, destination(t, ""), o))
	require.Contains(t, <-messages, "waiting for "+strings.Replace(address, "secret", "xxxxx", 1)+", for ")
}
