package tree_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Sparse files as GNU tar writes them in each of its formats, with more pieces than fit into a header.
func TestSparseFormats(t *testing.T) {
	const pieces, distance = 60, 64 << 10
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		for i := range pieces {
			_, err := f.WriteAt(bytes.Repeat([]byte{byte(i + 1)}, 4096), int64(i*distance))
			require.NoError(t, err)
		}
		require.NoError(t, f.Truncate(pieces*distance))
		require.NoError(t, f.Close())
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain"), []byte("plain"), 0o600))
	for _, format := range [][]string{
		{"--format=gnu"},
		{"--format=posix", "--sparse-version=0.0"},
		{"--format=posix", "--sparse-version=0.1"},
		{"--format=posix", "--sparse-version=1.0"},
	} {
		name := filepath.Join(t.TempDir(), "tar")
		args := append(format, "--create", "--file="+name, "--directory="+dir, "--sparse", "--hole-detection=raw", "a", "plain", "b")
		out, err := exec.Command(needs.Program(t, "tar"), args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		archive, err := os.Open(name)
		require.NoError(t, err)
		defer archive.Close()
		files, err := tree.ReadTar(archive)
		require.NoError(t, err, "%v", format)
		for _, file := range []string{"a", "b", "plain"} {
			want, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			got, err := io.ReadAll(files.Get(file).Content.Reader())
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%v: %s", format, file)
		}
		requirePieces(t, files.Get("b").Content, pieces, distance)
	}
}

// requirePieces requires that a content knows where its data lie.
func requirePieces(t *testing.T, c tree.Content, pieces int, distance int64) {
	t.Helper()
	holes := c.ReaderAt.(interface {
		NextData(int64) (int64, int64, error)
	})
	at := int64(0)
	for i := range pieces {
		start, end, err := holes.NextData(at)
		require.NoError(t, err)
		require.Equal(t, [2]int64{int64(i) * distance, int64(i)*distance + 4096}, [2]int64{start, end})
		at = end
	}
	start, _, err := holes.NextData(at)
	require.NoError(t, err)
	require.Equal(t, c.Size, start)
}
