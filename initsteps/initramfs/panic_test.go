package initramfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRebootOnPanic(t *testing.T) {
	for was, during := range map[string]string{"0\n": "10", "5\n": "5\n"} {
		file := filepath.Join(t.TempDir(), "panic")
		require.NoError(t, os.WriteFile(file, []byte(was), 0o644))
		restore, err := rebootOnPanic(file)
		require.NoError(t, err)
		requireText(t, during, file)
		require.NoError(t, restore())
		requireText(t, was, file)
	}
	restore, err := rebootOnPanic("/gone")
	require.EqualError(t, err, "open /gone: no such file or directory")
	require.NoError(t, restore())
}

func requireText(t *testing.T, want, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(data))
}
