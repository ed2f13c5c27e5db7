package source

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// TestMirrors lets a mirror fail: the registry itself serves the rest, and only that.
func TestMirrors(t *testing.T) {
	m := newTestImage(t, arm64, 100_000)
	last := digest.FromBytes(m.blobs[2])
	for name, test := range map[string]struct {
		fault   func(mirror *registry) func(http.ResponseWriter, *http.Request) bool
		works   bool // the registry itself gets no request
		resumed bool // the registry itself gets a range request
		stalls  bool
	}{
		"works": {func(*registry) func(http.ResponseWriter, *http.Request) bool { return nil }, true, false, false},
		"is broken": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/v2/", status(500))
		}, false, false, false},
		"has no such image": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/manifests/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "MANIFEST_UNKNOWN", "unknown") })
		}, false, false, false},
		"wants a login": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/v2/", status(401, "WWW-Authenticate", `Basic realm="mirror"`))
		}, false, false, false},
		"sends another manifest": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/manifests/", sending(`{"schemaVersion":2}`))
		}, false, false, false},
		"lacks a layer": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last.String(), func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "BLOB_UNKNOWN", "unknown") })
		}, false, false, false},
		"sends another layer": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last.String(), sending(strings.Repeat("x", len(m.blobs[2]))))
		}, false, false, false},
		"breaks off": {func(mirror *registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last.String(), ending(mirror, 60_000))
		}, false, true, false},
		"does not answer": {func(*registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, "/manifests/", hanging(""))
		}, false, false, true},
		"stalls in a layer": {func(mirror *registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last.String(), hanging(string(m.blobs[2][:60_000])))
		}, false, true, true},
		"is slow": {func(mirror *registry) func(http.ResponseWriter, *http.Request) bool {
			return some(always, last.String(), slowly(m.blobs[2]))
		}, false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirror, origin := newRegistry(t), newRegistry(t)
			mirror.push(m, "copies", "2.8")
			origin.push(m, "caddy", "2.8")
			mirror.fault = test.fault(mirror)
			c := client(t, mirror, origin)
			if test.stalls {
				c.Retry.StallTimeout = 400 * time.Millisecond
			}
			write(t, c.System.SystemRegistriesConfPath, fmt.Sprintf(
				"[[registry]]\nprefix = \"example.org/caddy\"\nlocation = %q\n[[registry.mirror]]\nlocation = %q\n",
				origin.host()+"/caddy", mirror.host()+"/copies"))
			ref := Reference{Name: "example.org/caddy:2.8"}
			got, err := c.Fetch(t.Context(), Pinned{ref, m.digest()})
			require.NoError(t, err)
			require.Equal(t, []string{"example.org/caddy:2.8"}, got.Names)
			requireFetched(t, c, m, got)
			require.NotEmpty(t, mirror.requests("/v2/"))
			if test.works {
				require.Empty(t, origin.requests("/v2/"))
			}
			if test.resumed {
				require.Contains(t, strings.Join(origin.requests(last.String()), "\n"), " bytes=")
			}
		})
	}
}

// slowly sends a byte every 10 ms.
func slowly(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := range data {
			if _, err := w.Write(data[i : i+1]); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// TestAllMirrorsFail expects the error of each mirror.
func TestAllMirrorsFail(t *testing.T) {
	mirror, origin := newRegistry(t), newRegistry(t)
	mirror.fault = some(always, "/v2/", status(502))
	c := client(t, mirror, origin)
	write(t, c.System.SystemRegistriesConfPath, fmt.Sprintf(
		"[[registry]]\nprefix = \"example.org\"\nlocation = %q\n[[registry.mirror]]\nlocation = %q\n", origin.host(), mirror.host()))
	_, err := c.Resolve(t.Context(), Reference{Name: "example.org/caddy"})
	require.ErrorContains(t, err, "image example.org/caddy: all 2 mirrors failed:\n"+mirror.host()+"/caddy: ")
	require.ErrorContains(t, err, "502 Bad Gateway (3 attempts)\n"+origin.host()+"/caddy: ")
	require.ErrorContains(t, err, "the repository has no tags")
}

func TestBlockedRegistry(t *testing.T) {
	c := client(t)
	write(t, c.System.SystemRegistriesConfPath, "[[registry]]\nlocation = \"example.org\"\nblocked = true\n")
	_, err := c.Resolve(t.Context(), Reference{Name: "example.org/caddy"})
	require.ErrorContains(t, err, "registry example.org is blocked")
}
