package source

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/download"
)

// registry is a registry with injected faults.
type registry struct {
	*httptest.Server
	blobs     map[digest.Digest][]byte
	manifests map[string][]byte // by repository and tag or digest, such as "caddy:2.8"
	// fault may answer a request instead of the registry, and returns whether it did.
	fault func(w http.ResponseWriter, r *http.Request) bool

	mu   sync.Mutex
	seen []string // requests: method, path, and range
}

// newRegistry starts a registry with TLS.
func newRegistry(t *testing.T) *registry {
	r := &registry{blobs: map[digest.Digest][]byte{}, manifests: map[string][]byte{}}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // connections break on purpose
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

// heal removes the fault.
func (r *registry) heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = nil
}

func (r *registry) host() string { return r.Listener.Addr().String() }

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.seen = append(r.seen, strings.TrimSpace(req.Method+" "+req.URL.Path+" "+req.Header.Get("Range")))
	fault := r.fault
	r.mu.Unlock()
	if fault != nil && fault(w, req) {
		return
	}
	repository, what, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v2/"), "/")
	kind, key, _ := strings.Cut(what, "/")
	switch kind {
	case "": // ping
	case "manifests":
		r.manifest(w, repository+":"+key)
	case "tags":
		r.tags(w, repository)
	case "blobs":
		data, ok := r.blobs[digest.Digest(key)]
		if !ok {
			refuse(w, 404, "BLOB_UNKNOWN", "blob unknown to registry")
			return
		}
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
	}
}

func (r *registry) manifest(w http.ResponseWriter, key string) {
	data, ok := r.manifests[key]
	if !ok {
		refuse(w, 404, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	kind := struct{ MediaType string }{}
	_ = json.Unmarshal(data, &kind)
	w.Header().Set("Content-Type", kind.MediaType)
	_, _ = w.Write(data)
}

func (r *registry) tags(w http.ResponseWriter, repository string) {
	tags := []string{}
	for key := range r.manifests {
		if tag, ok := strings.CutPrefix(key, repository+":"); ok && !strings.HasPrefix(tag, "sha256:") {
			tags = append(tags, tag)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": repository, "tags": tags})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

// requests returns the requests whose path contains a word, such as "/blobs/".
func (r *registry) requests(word string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.seen), func(s string) bool { return !strings.Contains(s, word) })
}

// testImage is a generated image.
type testImage struct {
	index, manifest, config []byte
	blobs                   [][]byte // of the layers
	diffs                   [][]byte // the layers uncompressed
	kinds                   []string
}

const oci = "application/vnd.oci.image."

// newTestImage returns an image with three layers: gzip, zstd and uncompressed.
func newTestImage(t *testing.T, platform images.Platform, size int) testImage {
	t.Helper()
	m := testImage{}
	for i, how := range []string{"gzip", "zstd", ""} {
		diff := bytes.Repeat([]byte(fmt.Sprint(platform, i, " ")), size/10)
		diff = append(diff, noise(int64(i), size)...)
		blob := squeeze(t, how, diff)
		m.diffs, m.blobs = append(m.diffs, diff), append(m.blobs, blob)
		m.kinds = append(m.kinds, strings.TrimSuffix(oci+"layer.v1.tar+"+how, "+"))
	}
	m.describe(platform)
	return m
}

func noise(seed int64, n int) []byte {
	out := make([]byte, n)
	x := uint64(seed)*2654435761 + 88172645463325252
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x)
	}
	return out
}

func squeeze(t *testing.T, how string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	switch how {
	case "gzip":
		w := gzip.NewWriter(&out)
		_, err := w.Write(data)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	case "zstd":
		w, err := zstd.NewWriter(&out)
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	default:
		out.Write(data)
	}
	return out.Bytes()
}

// describe sets the configuration, the manifest, and an index with an entry for another platform.
func (m *testImage) describe(p images.Platform) {
	var diffs, layers []string
	for i := range m.diffs {
		diffs = append(diffs, fmt.Sprintf("%q", digest.FromBytes(m.diffs[i])))
		layers = append(layers, descriptor(m.kinds[i], m.blobs[i], ""))
	}
	m.config = fmt.Appendf(nil, `{"os":%q,"architecture":%q,"config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}`,
		p.OS, p.Architecture, strings.Join(diffs, ","))
	m.manifest = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`,
		oci+"manifest.v1+json", descriptor(oci+"config.v1+json", m.config, ""), strings.Join(layers, ","))
	m.index = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s,%s]}`, oci+"index.v1+json",
		descriptor(oci+"manifest.v1+json", []byte("another"), `,"platform":{"os":"linux","architecture":"s390x"}`),
		descriptor(oci+"manifest.v1+json", m.manifest, fmt.Sprintf(`,"platform":{"os":%q,"architecture":%q}`, p.OS, p.Architecture)))
}

func descriptor(kind string, data []byte, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q%s}`, kind, len(data), digest.FromBytes(data), more)
}

// digest returns the digest of the index.
func (m testImage) digest() digest.Digest { return digest.FromBytes(m.index) }

// push adds an image to the registry.
func (r *registry) push(m testImage, repository, tag string) {
	for _, blob := range append(slices.Clone(m.blobs), m.config) {
		r.blobs[digest.FromBytes(blob)] = blob
	}
	r.manifests[repository+":"+tag] = m.index
	for _, data := range [][]byte{m.index, m.manifest} {
		r.manifests[repository+":"+digest.FromBytes(data).String()] = data
	}
}

var arm64 = images.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}

// client returns a client with its own configuration files, which trusts some registries.
func client(t *testing.T, trusted ...*registry) Client {
	t.Helper()
	c := clientIn(t.TempDir())
	sys := c.System
	write(t, sys.AuthFilePath, "{}")
	write(t, sys.SystemRegistriesConfPath, "")
	write(t, sys.SignaturePolicyPath, `{"default": [{"type": "insecureAcceptAnything"}]}`)
	for _, r := range trusted {
		der := r.Certificate().Raw
		write(t, filepath.Join(sys.DockerPerHostCertDirPath, r.host(), "ca.crt"),
			string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	return c
}

// clientIn returns a client with configuration and blobs in a directory.
func clientIn(dir string) Client {
	return Client{
		Blobs: images.Blobs{Dir: filepath.Join(dir, "blobs")}, Platform: arm64, Dir: dir,
		Retry: download.Retry{Attempts: 3, Backoff: time.Millisecond, StallTimeout: 5 * time.Second},
		System: &types.SystemContext{
			AuthFilePath:                filepath.Join(dir, "auth.json"),
			DockerPerHostCertDirPath:    filepath.Join(dir, "certs.d"),
			SystemRegistriesConfPath:    filepath.Join(dir, "registries.conf"),
			SystemRegistriesConfDirPath: filepath.Join(dir, "registries.conf.d"),
			RegistriesDirPath:           filepath.Join(dir, "registries.d"),
			SignaturePolicyPath:         filepath.Join(dir, "policy.json"),
		},
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
}

// verifyBlobs verifies all blobs in a store and returns their number.
func verifyBlobs(t *testing.T, b images.Blobs) int {
	t.Helper()
	entries, err := os.ReadDir(b.Dir)
	require.NoError(t, err)
	n := 0
	for _, e := range entries {
		require.False(t, e.IsDir(), "%s is a directory", e.Name())
		if strings.HasSuffix(e.Name(), ".part") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(b.Dir, e.Name()))
		require.NoError(t, err)
		require.Equal(t, digest.FromBytes(data).Encoded(), e.Name())
		n++
	}
	return n
}

// requireFetched requires that the blob store has an image completely.
func requireFetched(t *testing.T, c Client, m testImage, got images.Image) {
	t.Helper()
	require.Equal(t, m.digest(), got.Digest)
	require.Equal(t, digest.FromBytes(m.config), got.ID())
	require.Len(t, got.Layers, len(m.diffs))
	for i, l := range got.Layers {
		f, err := c.Blobs.Diff(t.Context(), l)
		require.NoError(t, err)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.True(t, bytes.Equal(m.diffs[i], data), "layer %d", i)
	}
	require.Equal(t, len(m.diffs)+3, verifyBlobs(t, c.Blobs), "layers, index, manifest and configuration")
}
