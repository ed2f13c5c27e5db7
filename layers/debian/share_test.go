package debian

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sharer is set in the processes that TestProcessesShareThePool starts of itself: what to fetch, and where to.
const sharer = "PKBUILD_TEST_SHARER"

// TestSharer is no test of its own: it fetches.
func TestSharer(t *testing.T) {
	spec := os.Getenv(sharer)
	if spec == "" {
		return
	}
	var want struct {
		Dir      string
		Packages []Package
	}
	require.NoError(t, json.Unmarshal([]byte(spec), &want))
	require.NoError(t, newPool(want.Dir).fetch(t.Context(), want.Packages, func(Package, bool) {}))
}

// TestProcessesShareThePool: of several processes that want the same packages each downloads some, and none twice; one
// that is killed in the middle is no obstacle to the others.
func TestProcessesShareThePool(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	begun := make(chan struct{}, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		mu.Unlock()
		begun <- struct{}{}
		text := []byte("package " + r.URL.Path)
		_, _ = w.Write(text[:4])
		w.(http.Flusher).Flush()
		time.Sleep(100 * time.Millisecond) // for the others to come
		_, _ = w.Write(text[4:])
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	var pkgs []Package
	for i := range 20 {
		path := fmt.Sprintf("/%d.deb", i)
		text := []byte("package " + path)
		pkgs = append(pkgs, Package{Name: fmt.Sprint("p", i), Version: "1", Architecture: "all", URL: s.URL + path,
			SHA256: sum(text), Size: int64(len(text))})
	}
	spec, err := json.Marshal(map[string]any{"Dir": dir, "Packages": pkgs})
	require.NoError(t, err)
	var all []*exec.Cmd
	for range 3 {
		cmd := exec.Command("/proc/self/exe", "-test.run", "^TestSharer$")
		cmd.Env = append(os.Environ(), sharer+"="+string(spec))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		require.NoError(t, cmd.Start())
		all = append(all, cmd)
	}
	<-begun
	require.NoError(t, all[0].Process.Kill())
	require.Error(t, all[0].Wait())
	for _, cmd := range all[1:] {
		require.NoError(t, cmd.Wait())
	}
	for _, pkg := range pkgs {
		data, err := os.ReadFile(newPool(dir).path(pkg))
		require.NoError(t, err)
		require.Equal(t, pkg.SHA256, sum(data))
	}
	again := 0
	for _, n := range asked {
		again += n - 1
	}
	require.LessOrEqual(t, again, newPool(dir).connections, "but for those that the killed one had begun")
	parts, err := filepath.Glob(filepath.Join(dir, "*.part"))
	require.NoError(t, err)
	require.Empty(t, parts)
}
