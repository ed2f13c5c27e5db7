package download

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/internal/registrytest"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// flaky serves a handler, whose responses end after a number of bytes. It records the requested ranges.
type flaky struct {
	http.Handler
	path  string // of the responses that end early
	limit int

	mu     sync.Mutex
	ranges []string
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, f.path) {
		f.mu.Lock()
		f.ranges = append(f.ranges, r.Header.Get("Range"))
		f.mu.Unlock()
		w = &limited{w, f.limit}
	}
	f.Handler.ServeHTTP(w, r)
}

type limited struct {
	http.ResponseWriter
	left int
}

func (l *limited) Write(data []byte) (int, error) {
	n, err := l.ResponseWriter.Write(data[:min(l.left, len(data))])
	if l.left -= n; err == nil && n < len(data) {
		l.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// TestResumeFile downloads a file over connections that break after 4000 bytes.
func TestResumeFile(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 1000)
	files := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
	for name, sum := range map[string]string{"with a checksum": checksum(content), "without": ""} {
		t.Run(name, func(t *testing.T) {
			f := &flaky{Handler: files, limit: 4000}
			s := httptest.NewServer(f)
			defer s.Close()
			dir, file, err := newCache(t).Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTP, URL: s.URL, Checksum: sum})
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, got))
			require.Equal(t, []string{"", "bytes=4000-", "bytes=8000-"}, f.ranges)
		})
	}
}

// TestStalledFile has a server that stops sending.
func TestStalledFile(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	c := newCache(t)
	c.Retry.StallTimeout = 20 * time.Millisecond
	_, _, err := c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTP, URL: s.URL})
	require.EqualError(t, err, "download "+s.URL+": server sent nothing for 20ms (3 attempts)")
}

// registry serves the image in an OCI layout as x:1.
func registry(t *testing.T, layout, index string) http.Handler {
	t.Helper()
	r := &registrytest.Registry{Dir: filepath.Join(layout, "blobs/sha256")}
	data, err := os.ReadFile(filepath.Join(r.Dir, digest.Digest(index).Encoded()))
	require.NoError(t, err)
	r.Put("x", "1", "application/vnd.oci.image.index.v1+json", data)
	entries, err := os.ReadDir(r.Dir)
	require.NoError(t, err)
	for _, e := range entries {
		if data, err = os.ReadFile(filepath.Join(r.Dir, e.Name())); bytes.Contains(data, []byte(`"layers"`)) {
			r.Put("x", "manifest", "application/vnd.oci.image.manifest.v1+json", data)
		}
		require.NoError(t, err)
	}
	return r
}

// configured returns the paths of configuration files in a directory: a registries.conf that allows HTTP for a host, a
// password for it, and a policy.
func configured(t *testing.T, host, policy string) *types.SystemContext {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"auth.json":       fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte("me:secret"))),
		"registries.conf": fmt.Sprintf("[[registry]]\nprefix = \"example.org\"\nlocation = %q\ninsecure = true\n", host),
		"policy.json":     `{"default": [{"type": "` + policy + `"}]}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return &types.SystemContext{
		AuthFilePath: filepath.Join(dir, "auth.json"), SignaturePolicyPath: filepath.Join(dir, "policy.json"),
		SystemRegistriesConfPath:    filepath.Join(dir, "registries.conf"),
		SystemRegistriesConfDirPath: filepath.Join(dir, "registries.conf.d"), RegistriesDirPath: filepath.Join(dir, "registries.d"),
	}
}

// TestRegistry pulls from a registry that requires a login, that registries.conf names, and whose connections break.
func TestRegistry(t *testing.T) {
	noise := bytes.Repeat([]byte("0123456789"), 1000)
	layer := tarOf(t, file("a", string(noise)))
	layout, index := imageOf(t, layer)
	f := &flaky{Handler: registry(t, layout, index), path: checksum(layer), limit: 6000}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.Header().Set("WWW-Authenticate", "Basic realm=\"x\"")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.ServeHTTP(w, r)
	}))
	defer s.Close()
	c := newCache(t)
	c.System = configured(t, s.Listener.Addr().String(), "insecureAcceptAnything")
	d := pallet.Download{Type: pallet.SourceOCIImage, URL: "example.org/x:1", Source: "a"}
	dir, name, err := c.Fetch(t.Context(), d)
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	require.True(t, bytes.Equal(noise, got))
	require.Equal(t, []string{"", "bytes=6000-"}, f.ranges)
	sum, err := c.Checksum(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, index, sum)

	layerFile := filepath.Join(c.files(), strings.TrimPrefix(checksum(layer), "sha256:"))
	require.NoError(t, os.WriteFile(layerFile, layer[:len(layer)/2], 0o644))
	d.Source = "."
	dir, _, err = c.Fetch(t.Context(), d)
	require.NoError(t, err, "a damaged layer is downloaded again")
	got, err = os.ReadFile(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(noise, got))

	c = newCache(t)
	c.System = configured(t, s.Listener.Addr().String(), "reject")
	_, _, err = c.Fetch(t.Context(), d)
	require.ErrorContains(t, err, "pull example.org/x:1: "+s.Listener.Addr().String()+"/x: this machine's policy.json rejects the image")
}
