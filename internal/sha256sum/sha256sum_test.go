package sha256sum

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte("abc"), 0o644))
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-4
	got, err := File(t.Context(), filepath.Join(dir, "f"))
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = FileIn(t.Context(), os.DirFS(dir), "f")
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = File(t.Context(), dir)
	require.EqualError(t, err, "read "+dir+": is a directory")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = File(ctx, filepath.Join(dir, "f"))
	require.ErrorIs(t, err, context.Canceled)
}
