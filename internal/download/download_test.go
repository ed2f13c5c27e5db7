package download

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What goes wrong with mirrors is tested in layers/debian, with packages, whose sizes are known.

// TestUnknownSize goes on with what is there, which may be all.
func TestUnknownSize(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}))
	defer server.Close()
	sum := sha256.Sum256([]byte(content))
	file := File{URL: server.URL, SHA256: hex.EncodeToString(sum[:])}
	for name, test := range map[string]struct {
		there string
		calls bool
	}{
		"nothing": {"", true}, "the beginning": {content[:777], true}, "all": {content, false},
		"another file":  {strings.Repeat("x", len(content)), true},
		"a longer file": {content + "x", true},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Create(filepath.Join(t.TempDir(), "f"))
			require.NoError(t, err)
			defer f.Close()
			_, err = f.WriteString(test.there)
			require.NoError(t, err)
			var last [2]int64
			p := Patience{Attempts: 2, Pause: time.Millisecond, Stall: time.Second}
			require.NoError(t, p.Fetch(t.Context(), file, f, func(done, total int64) { last = [2]int64{done, total} }))
			got, err := os.ReadFile(f.Name())
			require.NoError(t, err)
			require.True(t, content == string(got))
			if test.calls {
				require.Equal(t, [2]int64{10_000, 10_000}, last)
			}
		})
	}
}

func TestGone(t *testing.T) {
	for code, gone := range map[int]bool{404: true, 410: true, 403: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		require.NoError(t, err)
		err = Patient().Fetch(t.Context(), File{URL: server.URL}, f, nil)
		require.Error(t, err)
		require.Equal(t, gone, Gone(err), err)
		require.NoError(t, f.Close())
		server.Close()
	}
}
