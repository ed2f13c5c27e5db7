package initramfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRebootOnPanic(t *testing.T) {
	for before, want := range map[string]string{"0\n": "10", "5\n": "5\n"} {
		file := filepath.Join(t.TempDir(), "panic")
		require.NoError(t, os.WriteFile(file, []byte(before), 0o644))
		require.NoError(t, rebootOnPanic(file))
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, string(data))
	}
	require.EqualError(t, rebootOnPanic("/gone"), "open /gone: no such file or directory")
}
