package debian

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/download"
)

// mirror serves one package, and misbehaves as the test wants for its first requests.
type mirror struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string // of the requests so far
}

var content = bytes.Repeat([]byte("package "), 4096)

func newMirror(t *testing.T, misbehave ...http.HandlerFunc) *mirror {
	t.Helper()
	m := &mirror{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		n := len(m.ranges)
		m.ranges = append(m.ranges, r.Header.Get("Range"))
		m.mu.Unlock()
		if n < len(misbehave) {
			misbehave[n](w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) pkg() Package {
	sum := sha256.Sum256(content)
	return Package{Name: "a", Version: "1", Architecture: "all", URL: m.URL + "/a_1_all.deb",
		SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content))}
}

func testPool(t *testing.T) pool {
	t.Helper()
	return pool{t.TempDir(), 2, download.Retry{Attempts: 3, Backoff: time.Millisecond, StallTimeout: time.Second}}
}

func (p pool) fetched(t *testing.T, pkg Package) {
	t.Helper()
	done := 0
	require.NoError(t, p.fetch(t.Context(), []Package{pkg}, func(Package, bool) { done++ }))
	require.Equal(t, 1, done)
	got, err := os.ReadFile(p.path(pkg))
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
	require.NoFileExists(t, p.path(pkg)+".part")
}

// truncate answers with the beginning of the package and closes the connection.
func truncate(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content[:1000])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func wrong(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write(bytes.ToUpper(content))
}

func answer(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func hang(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(content[:10])
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func TestFetch(t *testing.T) {
	t.Run("once", func(t *testing.T) {
		m, p := newMirror(t), testPool(t)
		p.fetched(t, m.pkg())
		p.fetched(t, m.pkg())
		require.Equal(t, []string{""}, m.ranges)
	})
	t.Run("goes on where a killed build stopped", func(t *testing.T) {
		m, p := newMirror(t), testPool(t)
		require.NoError(t, os.WriteFile(p.path(m.pkg())+".part", content[:5000], 0o644))
		p.fetched(t, m.pkg())
		require.Equal(t, []string{"bytes=5000-"}, m.ranges)
	})
	t.Run("goes on where the mirror stopped", func(t *testing.T) {
		m, p := newMirror(t, truncate), testPool(t)
		p.fetched(t, m.pkg())
		require.Equal(t, []string{"", "bytes=1000-"}, m.ranges)
	})
	t.Run("a mirror without ranges", func(t *testing.T) {
		m := newMirror(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
		p := testPool(t)
		require.NoError(t, os.WriteFile(p.path(m.pkg())+".part", []byte("garbage"), 0o644))
		p.fetched(t, m.pkg())
	})
	t.Run("a wrong beginning", func(t *testing.T) {
		m, p := newMirror(t), testPool(t)
		require.NoError(t, os.WriteFile(p.path(m.pkg())+".part", []byte("garbage"), 0o644))
		p.fetched(t, m.pkg())
		require.Equal(t, []string{"bytes=7-", ""}, m.ranges)
	})
	t.Run("a part that is too long", func(t *testing.T) {
		m, p := newMirror(t), testPool(t)
		require.NoError(t, os.WriteFile(p.path(m.pkg())+".part", append(content, 'x'), 0o644))
		p.fetched(t, m.pkg())
	})
	t.Run("wrong once", func(t *testing.T) {
		m, p := newMirror(t, wrong), testPool(t)
		p.fetched(t, m.pkg())
	})
	t.Run("busy, then slow", func(t *testing.T) {
		m, p := newMirror(t, answer(http.StatusServiceUnavailable), hang), testPool(t)
		p.fetched(t, m.pkg())
		require.Equal(t, []string{"", "", "bytes=10-"}, m.ranges)
	})
	t.Run("from a directory", func(t *testing.T) {
		p, pkg := testPool(t), newMirror(t).pkg()
		name := filepath.Join(t.TempDir(), "a 1.deb")
		require.NoError(t, os.WriteFile(name, content, 0o644))
		pkg.URL = "file://" + filepath.Dir(name) + "/a%201.deb"
		p.fetched(t, pkg)
	})
}

func TestFetchErrors(t *testing.T) {
	m := newMirror(t) // for its package
	tests := map[string]struct {
		misbehave []http.HandlerFunc
		err       string
	}{
		"missing":        {[]http.HandlerFunc{answer(404)}, "server answered 404 Not Found"},
		"always busy":    {[]http.HandlerFunc{answer(503), answer(503), answer(503)}, "server answered 503 Service Unavailable (3 attempts)"},
		"always slow":    {[]http.HandlerFunc{hang, hang, hang}, "server sent nothing for 1s (3 attempts)"},
		"always another": {[]http.HandlerFunc{wrong, wrong, wrong}, "downloaded file has SHA-256 " + sum(bytes.ToUpper(content)) + ", want " + m.pkg().SHA256 + " (3 attempts)"},
		"longer": {[]http.HandlerFunc{longer, longer, longer},
			"downloaded file has SHA-256 " + sum(append(bytes.Clone(content), 'x')) + ", want " + m.pkg().SHA256 + " (3 attempts)"},
		"always truncated": {[]http.HandlerFunc{truncate, truncate, truncate}, "unexpected EOF (3 attempts)"},
		"shorter":          {[]http.HandlerFunc{empty, empty, empty}, "server sent 0 of 32768 bytes (3 attempts)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMirror(t, test.misbehave...), testPool(t)
			pkg := m.pkg()
			err := p.fetch(t.Context(), []Package{pkg}, func(Package, bool) {})
			require.EqualError(t, err, "download a 1 (all) from "+pkg.URL+": "+test.err)
			require.NoFileExists(t, p.path(pkg))
			require.Len(t, m.ranges, len(test.misbehave))
		})
	}
	t.Run("down", func(t *testing.T) {
		p, pkg := testPool(t), m.pkg()
		m.Close()
		require.ErrorContains(t, p.fetch(t.Context(), []Package{pkg}, func(Package, bool) {}), "connection refused (3 attempts)")
	})
}

func longer(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write(append(bytes.Clone(content), "xx"...))
}

func empty(http.ResponseWriter, *http.Request) {}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func TestFetchIsCancelled(t *testing.T) {
	m, p := newMirror(t, hang), testPool(t)
	p.retry.StallTimeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for m.seen() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	require.ErrorIs(t, p.fetch(ctx, []Package{m.pkg()}, func(Package, bool) {}), context.Canceled)
	p.fetched(t, m.pkg())
}

func (m *mirror) seen() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ranges)
}

func TestFetchTogether(t *testing.T) {
	m, p := newMirror(t), testPool(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { p.fetched(t, m.pkg()) })
	}
	group.Wait()
	require.Equal(t, []string{""}, m.ranges)
}

func TestHeld(t *testing.T) {
	cache := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(cache, "debs"), 0o755))
	l := Layer{Lock: &Lock{Packages: []Package{{SHA256: "a"}}, Tools: []Package{{SHA256: "b"}}}}
	for _, have := range []string{"other.deb", "a.deb", "b.deb.part", "b.control.tar"} {
		require.NoError(t, os.WriteFile(filepath.Join(cache, "debs", have), nil, 0o600))
		require.False(t, l.Held(cache), have)
	}
	require.NoError(t, os.WriteFile(filepath.Join(cache, "debs", "b.deb"), nil, 0o600))
	require.True(t, l.Held(cache))
	require.False(t, Layer{}.Held(cache), "without a lock the newest are looked for")
}
