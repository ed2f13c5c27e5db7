package source

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// process is the environment variable with the fetchSpec for the child processes of the tests below.
const process = "PKBUILD_TEST_FETCH"

type fetchSpec struct {
	Ref Pinned
	Dir string // of the client
}

// TestProcess is the child process: it fetches.
func TestProcess(t *testing.T) {
	spec := fetchSpec{}
	if os.Getenv(process) == "" {
		return
	}
	require.NoError(t, json.Unmarshal([]byte(os.Getenv(process)), &spec))
	_, err := clientIn(spec.Dir).Fetch(t.Context(), spec.Ref)
	require.NoError(t, err)
}

func start(t *testing.T, c Client, ref Pinned) *exec.Cmd {
	t.Helper()
	spec, err := json.Marshal(fetchSpec{ref, c.Dir})
	require.NoError(t, err)
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestProcess$")
	cmd.Env = append(os.Environ(), process+"="+string(spec))
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // where the test fails
	return cmd
}

// TestProcessesShareBlobs: of several processes that fetch the same image one downloads each layer.
func TestProcessesShareBlobs(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 300_000)
	r.push(m, "caddy", "2.8")
	r.fault = func(_ http.ResponseWriter, req *http.Request) bool {
		if strings.Contains(req.URL.Path, "/blobs/") {
			time.Sleep(100 * time.Millisecond) // so that the processes overlap
		}
		return false
	}
	c := client(t, r)
	ref := Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()}
	var all []*exec.Cmd
	for range 3 {
		all = append(all, start(t, c, ref))
	}
	for _, cmd := range all {
		require.NoError(t, cmd.Wait())
	}
	for _, blob := range m.blobs {
		require.Len(t, r.requests(digest.FromBytes(blob).String()), 1)
	}
	r.Close()
	got, err := c.Fetch(t.Context(), ref)
	require.NoError(t, err)
	requireFetched(t, c, m, got)
	parts, err := filepath.Glob(filepath.Join(c.Blobs.Dir, "*.part"))
	require.NoError(t, err)
	require.Empty(t, parts)
}

// TestKilledProcess: a killed process leaves a partial blob, which the next one completes.
func TestKilledProcess(t *testing.T) {
	r, m := newRegistry(t), newTestImage(t, arm64, 300_000)
	r.push(m, "caddy", "2.8")
	last := digest.FromBytes(m.blobs[2])
	r.fault = some(1, last.String(), hanging(string(m.blobs[2][:200_000])))
	c := client(t, r)
	ref := Pinned{Reference{Name: r.host() + "/caddy:2.8"}, m.digest()}
	cmd := start(t, c, ref)
	part := filepath.Join(c.Blobs.Dir, last.Encoded()+".part")
	require.Eventually(t, func() bool {
		info, err := os.Stat(part)
		return err == nil && info.Size() == 200_000
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	require.ErrorContains(t, cmd.Wait(), "signal: killed")
	leftovers, err := filepath.Glob(filepath.Join(c.Blobs.Dir, "source-*.part"))
	require.NoError(t, err)
	require.Len(t, leftovers, 1, "the cache's prune knows what ends in .part")
	require.NoError(t, os.RemoveAll(leftovers[0]))
	require.False(t, c.Blobs.Has(last))
	verifyBlobs(t, c.Blobs)
	got, err := c.Fetch(t.Context(), ref)
	require.NoError(t, err)
	requireFetched(t, c, m, got)
	require.Contains(t, r.requests(last.String()), "GET /v2/caddy/blobs/"+last.String()+" bytes=200000-")
}
