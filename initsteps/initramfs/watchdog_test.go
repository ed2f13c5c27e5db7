package initramfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoWatchdog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "watchdog0")
	for _, timeout := range []int{0, 60} {
		w, err := openWatchdog(name, timeout)
		require.NoError(t, err)
		require.NoError(t, w.keepAlive())
		require.NoFileExists(t, name)
	}
}

// A watchdog that refuses the timeout is kept alive all the same, and never stopped: a V would do that.
func TestWatchdogKeepsItsOwnTimeout(t *testing.T) {
	name := filepath.Join(t.TempDir(), "watchdog0")
	require.NoError(t, os.WriteFile(name, nil, 0o644))
	w, err := openWatchdog(name, 60)
	require.EqualError(t, err, "set timeout of watchdog "+name+" to 60 s: inappropriate ioctl for device")
	require.NoError(t, w.keepAlive())
	require.NoError(t, w.f.Close())
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0}, data)
}
