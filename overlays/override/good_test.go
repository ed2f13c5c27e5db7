package override_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

func TestChangedSince(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"etc/same": "a", "etc/edited": "a", "etc/mode": "a", "etc/dir/same": "a"})
	before, err := override.ListFiles(dir)
	require.NoError(t, err)
	data, err := before.Marshal()
	require.NoError(t, err)
	good, err := override.ParseGood(data)
	require.NoError(t, err)
	require.Empty(t, before.ChangedSince(good))

	write(t, dir, map[string]string{"etc/new/deep/file": "b", "etc/newer": "b", "etc/dir/added": "b"})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "etc/edited"), []byte("b"), 0o644))
	require.NoError(t, os.Chmod(filepath.Join(dir, "etc/mode"), 0o600))
	after, err := override.ListFiles(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"etc/dir/added", "etc/edited", "etc/mode", "etc/new", "etc/newer"}, after.ChangedSince(good))
}

func TestListFilesOfNoDirectory(t *testing.T) {
	files, err := override.ListFiles(filepath.Join(t.TempDir(), "gone"))
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestParseGoodErrors(t *testing.T) {
	_, err := override.ParseGood([]byte("{"))
	require.EqualError(t, err, "parse good.json: unexpected end of JSON input")
	_, err = override.ParseGood([]byte(`{"version": 2}`))
	require.EqualError(t, err, "parse good.json: version is 2, want 1")
}
