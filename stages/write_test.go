package stages_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
)

func TestWriteFileReplaces(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, stages.WriteFile(name, []byte("old, and longer"), 0o600))
	require.NoError(t, stages.WriteFile(name, []byte("new"), 0o666))
	requireFile(t, name, "new", 0o666) // whatever the umask
	entries, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside the file")
}

func TestWriteFileReplacesLeftovers(t *testing.T) {
	for what, leave := range map[string]func(t *testing.T, tmp string){
		"half-written file": func(t *testing.T, tmp string) {
			require.NoError(t, os.WriteFile(tmp, []byte("a much longer half-written content"), 0o000))
		},
		"symlink to another file": func(t *testing.T, tmp string) {
			require.NoError(t, os.Symlink("victim", tmp))
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			name, victim := filepath.Join(dir, "state.json"), filepath.Join(dir, "victim")
			require.NoError(t, os.WriteFile(victim, []byte("victim"), 0o644))
			leave(t, name+".tmp")
			require.NoError(t, stages.WriteFile(name, []byte("new"), 0o644))
			requireFile(t, name, "new", 0o644)
			requireFile(t, victim, "victim", 0o644)
		})
	}
}

func TestWriteFileErrors(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "no", "state.json")
	require.EqualError(t, stages.WriteFile(missing, nil, 0o644), "open "+missing+".tmp: no such file or directory")

	taken := filepath.Join(dir, "taken")
	require.NoError(t, os.MkdirAll(filepath.Join(taken, "sub"), 0o755))
	require.EqualError(t, stages.WriteFile(taken, nil, 0o644), "rename "+taken+".tmp "+taken+": file exists")
	require.NoFileExists(t, taken+".tmp", "the temporary file is gone where it served nothing")
}

func requireFile(t *testing.T, name, content string, mode fs.FileMode) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, content, string(data))
	i, err := os.Lstat(name)
	require.NoError(t, err)
	require.Equal(t, mode, i.Mode())
}
