package source

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

func TestFetch(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 100_000)
	r.push(m, "caddy", "2.8")
	c := client(t, r)
	done := map[digest.Digest]Progress{}
	c.Progress = func(p Progress) { done[p.Layer] = p }
	ref := Reference{Name: r.host() + "/caddy:2.8"}
	d, err := c.Resolve(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, m.digest(), d)
	got, err := c.FetchAll(t.Context(), []Pinned{{ref, d}})
	require.NoError(t, err)
	require.Equal(t, []string{ref.Name}, got[0].Names)
	requireFetched(t, c, m, got[0])
	for i, l := range got[0].Layers {
		size := int64(len(m.blobs[i]))
		require.Equal(t, Progress{ref.Name, l.Digest, size, size}, done[l.Digest])
	}

	before := len(r.requests("/"))
	again, err := c.Fetch(t.Context(), Pinned{ref, d})
	require.NoError(t, err)
	require.Equal(t, got[0], again)
	require.Len(t, r.requests("/"), before, "no request for a complete image")
}

func TestAdded(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 1000)
	r.push(m, "caddy", "2.8")
	c := client(t, r)
	ref := Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()}
	broken := errors.New("no space for the tree")
	c.Added = func(context.Context, images.Layer) error { return broken }
	_, err := c.Fetch(t.Context(), ref)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "image "+ref.Name+": layer sha256:")

	var mu sync.Mutex
	var added []images.Layer
	c.Added = func(_ context.Context, l images.Layer) error {
		mu.Lock()
		defer mu.Unlock()
		if c.Blobs.Has(l.DiffID) {
			added = append(added, l)
		}
		return nil
	}
	got, err := c.Fetch(t.Context(), ref)
	require.NoError(t, err)
	require.ElementsMatch(t, got.Layers, added)
}

func TestFetchByPlatform(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 100)
	r.push(m, "caddy", "2.8")
	c := client(t, r)
	c.Platform.Architecture, c.Platform.Variant = "riscv64", ""
	_, err := c.Resolve(t.Context(), Reference{Name: r.host() + "/caddy:2.8"})
	require.EqualError(t, err, "image "+r.host()+"/caddy:2.8: no manifest for platform linux/riscv64: the index has linux/arm64, linux/s390x")
	r.manifests["caddy:single"] = m.manifest
	_, err = c.Resolve(t.Context(), Reference{Name: r.host() + "/caddy:single"})
	require.EqualError(t, err, "image "+r.host()+"/caddy:single: image is for platform linux/arm64, not linux/riscv64")
	c.Platform = arm64
	d, err := c.Resolve(t.Context(), Reference{Name: r.host() + "/caddy:single"})
	require.NoError(t, err)
	require.Equal(t, digest.FromBytes(m.manifest), d)
}

// some applies a fault to the first requests whose path contains a word.
func some(times int32, word string, fault http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, word) || n.Add(1) > times {
			return false
		}
		fault(w, r)
		return true
	}
}

const always = 1 << 30

// breaking sends a part of the blob and breaks the connection.
func breaking(r *registry, part int) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		data := r.blobs[digest.Digest(req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:])]
		if len(data) <= part {
			_, _ = w.Write(data)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data[:part])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// ending sends a part of the blob as a complete response.
func ending(r *registry, part int) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		data := r.blobs[digest.Digest(req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:])]
		_, _ = w.Write(data[:min(part, len(data))])
	}
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func sending(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// hanging begins a response and never ends it.
func hanging(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(text))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func withoutRanges(fault func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return fault(w, r)
	}
}

// TestFaults lets the only registry of an image fail: the download is retried, or the error names the cause and a way out.
func TestFaults(t *testing.T) {
	m := newTestImage(t, arm64, 100_000)
	last := "/blobs/" + digest.FromBytes(m.blobs[2]).String() // the one without compression: 150 KB
	for name, test := range map[string]struct {
		fault func(r *registry) func(http.ResponseWriter, *http.Request) bool
		want  []string // in the error of Fetch; nil: success
		asked string   // an expected request
	}{
		"broken off": {func(r *registry) func(http.ResponseWriter, *http.Request) bool {
			return some(1, last, breaking(r, 50_000))
		},
			nil, "GET /v2/caddy" + last + " bytes=50000-"},
		"ended early": {func(r *registry) func(http.ResponseWriter, *http.Request) bool {
			return some(1, last, ending(r, 50_000))
		},
			nil, "GET /v2/caddy" + last + " bytes=50000-"},
		"ended early, no ranges": {func(r *registry) func(http.ResponseWriter, *http.Request) bool {
			return withoutRanges(some(1, last, ending(r, 50_000)))
		}, nil, ""},
		"always ended early": {func(r *registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last, ending(r, 50_000))
		},
			[]string{"layer sha256:", "connection to the registry ended: unexpected EOF after", "(3 attempts)"}, ""},
		"other content once": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(1, last, sending("no layer"))
		},
			nil, ""},
		"other content": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last, sending(strings.Repeat("x", len(m.blobs[2]))))
		}, []string{"layer " + digest.FromBytes(m.blobs[2]).String() + ": ", "/caddy: content (", ") has the digest sha256:", ", want sha256:", "(3 attempts)"}, ""},
		"too long": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last, sending(strings.Repeat("x", len(m.blobs[2])+1000)))
		}, []string{"content (" + strconv.Itoa(len(m.blobs[2])+1) + " bytes) has the digest"}, ""},
		"not there": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last, func(w http.ResponseWriter, _ *http.Request) {
				refuse(w, 404, "BLOB_UNKNOWN", "blob unknown to registry")
			})
		}, []string{"layer sha256:", "/caddy: fetch blob: blob unknown"}, ""},
		"overloaded once": {func(*registry) func(http.ResponseWriter, *http.Request) bool { return some(1, last, status(503)) }, nil, ""},
		"manifest 500 once": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(1, "/manifests/", status(500))
		}, nil, ""},
		"always 500": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/manifests/", status(500))
		},
			[]string{"received unexpected HTTP status: 500 Internal Server Error (3 attempts)"}, ""},
		"rate limit": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(2, "/manifests/", status(429, "Retry-After", "0"))
		}, nil, ""},
		"rate limit of blobs": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(3, "/blobs/", status(429, "Retry-After", "0"))
		}, nil, ""},
		"rate limit without end": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/manifests/", status(429, "Retry-After", "0"))
		}, []string{"limits the rate of requests: wait, or log in with podman login 127.0.0.1:"}, ""},
		"another manifest": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/manifests/"+m.digest().String(), sending(`{"schemaVersion":2,"mediaType":"`+oci+`index.v1+json"}`))
		}, []string{"manifest has the digest sha256:", ", want " + m.digest().String()}, ""},
		"another manifest once": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(1, "/manifests/"+m.digest().String(), sending(`{"schemaVersion":2,"mediaType":"`+oci+`index.v1+json"}`))
		}, nil, ""},
		"another manifest for the platform": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/manifests/"+digest.FromBytes(m.manifest).String(), sending(`{}`))
		}, []string{"manifest has the digest sha256:", ", want " + digest.FromBytes(m.manifest).String()}, ""},
		"another configuration": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/blobs/"+digest.FromBytes(m.config).String(), sending(`{}`))
		}, []string{"image configuration " + digest.FromBytes(m.config).String() + ": content (2 bytes) has the digest"}, ""},
		"an endless configuration": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(1, "/blobs/"+digest.FromBytes(m.config).String(), sending(strings.Repeat("x", 10<<20)))
		}, nil, ""},
		"a page": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/v2/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); _, _ = w.Write([]byte("<html>")) })
		}, []string{`StatusCode: 404, "<html>"`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t)
			r.push(m, "caddy", "2.8")
			r.fault = test.fault(r)
			c := client(t, r)
			ref := Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()}
			got, err := c.Fetch(t.Context(), ref)
			if test.want != nil {
				require.Error(t, err)
				for _, part := range append(test.want, "image "+ref.Name+": ", r.host()) {
					require.ErrorContains(t, err, part)
				}
				verifyBlobs(t, c.Blobs)
				r.heal()
				got, err = c.Fetch(t.Context(), ref) // the kept part of the blob does no harm
			}
			require.NoError(t, err)
			requireFetched(t, c, m, got)
			if test.asked != "" {
				require.Contains(t, r.requests("/blobs/"), test.asked)
			}
		})
	}
}

// TestStalls lets a registry stop sending.
func TestStalls(t *testing.T) {
	m := newTestImage(t, arm64, 1000)
	for name, test := range map[string]struct{ word, sends, want string }{
		"no answer":         {"/manifests/", "", "the registry sent nothing for 500ms (2 attempts)"},
		"a part of a layer": {"/blobs/" + digest.FromBytes(m.blobs[2]).String(), "x", "registry is too slow: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t)
			r.push(m, "caddy", "2.8")
			r.fault = some(always, test.word, hanging(test.sends))
			c := client(t, r)
			c.Retry.Attempts, c.Retry.StallTimeout = 2, 50*time.Millisecond
			messages := make(chan string, 100)
			ctx := waiting.With(t.Context(), waiting.Notifier{After: 10 * time.Millisecond, Notify: func(m string) { messages <- m }})
			_, err := c.Fetch(ctx, Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()})
			require.ErrorContains(t, err, test.want)
			require.Contains(t, <-messages, "waiting for "+r.host()+"/caddy, for ")
			verifyBlobs(t, c.Blobs)
		})
	}
}

func TestUnknownTag(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 100)
	c := client(t, r)
	_, err := c.Resolve(t.Context(), Reference{Name: r.host() + "/caddy:2.8"})
	require.ErrorContains(t, err, "manifest unknown; the repository has no tags")
	for _, tag := range []string{"2.7", "2.8-alpine", "latest", "2.8.4", "nightly", "edge-of-the-world"} {
		r.push(m, "caddy", tag)
	}
	_, err = c.Resolve(t.Context(), Reference{Name: r.host() + "/caddy:2.8"})
	require.EqualError(t, err, "image "+r.host()+"/caddy:2.8: "+r.host()+"/caddy: reading manifest 2.8 in "+r.host()+"/caddy: "+
		"manifest unknown; similar tags: 2.7, 2.8.4, latest, 2.8-alpine, nightly")
}

func TestSchema1(t *testing.T) {
	r := newRegistry(t)
	r.manifests["old:1"] = []byte(`{"schemaVersion":1,"name":"old","tag":"1","fsLayers":[],"history":[]}`)
	_, err := client(t, r).Resolve(t.Context(), Reference{Name: r.host() + "/old:1"})
	require.EqualError(t, err, "image "+r.host()+"/old:1: manifest has schema version 1, which is obsolete since 2017: "+
		"pull the image with an old Docker and push it with a new one")
}

func TestTLS(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 100)
	r.push(m, "caddy", "2.8")
	c := client(t)
	ref := Reference{Name: r.host() + "/caddy:2.8"}
	_, err := c.Resolve(t.Context(), ref)
	require.ErrorContains(t, err, "put the certificate of the registry's authority in /etc/containers/certs.d/"+r.host()+"/ca.crt")
	require.Empty(t, r.requests("/"), "no request without trust")

	bare := httptest.NewServer(r)
	defer bare.Close()
	host := bare.Listener.Addr().String()
	ref.Name = host + "/caddy:2.8"
	_, err = c.Resolve(t.Context(), ref)
	require.ErrorContains(t, err, "the registry has no TLS: if you trust the network, set insecure = true for "+host+" in registries.conf")
	c = client(t)
	write(t, c.System.SystemRegistriesConfPath, "[[registry]]\nlocation = \""+host+"\"\ninsecure = true\n")
	_, err = c.Resolve(t.Context(), ref)
	require.NoError(t, err)
}

func TestCancel(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 100_000)
	r.push(m, "caddy", "2.8")
	c := client(t, r)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	r.fault = some(always, digest.FromBytes(m.blobs[2]).String(), func(w http.ResponseWriter, req *http.Request) {
		cancel(why)
		hanging("x")(w, req)
	})
	_, err := c.Fetch(ctx, Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()})
	require.ErrorIs(t, err, why)
	verifyBlobs(t, c.Blobs)
	entries, err := os.ReadDir(c.Blobs.Dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.False(t, strings.HasPrefix(e.Name(), "source-"), "temporary directory")
	}
}
