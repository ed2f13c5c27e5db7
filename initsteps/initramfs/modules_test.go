package initramfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModuleName(t *testing.T) {
	for file, want := range map[string]string{
		"usb-storage.ko.xz": "usb_storage", "ext4.ko": "ext4", "virtio_blk.ko.zst": "virtio_blk", "usb-storage": "usb_storage",
	} {
		require.Equal(t, want, moduleName(file))
	}
}

func TestLoadModulesWithoutList(t *testing.T) {
	require.NoError(t, loadModules(filepath.Join(t.TempDir(), "modules"), Cmdline{}))
}

// One that does not load keeps none of the others from being tried.
func TestLoadModulesErrors(t *testing.T) {
	dir := t.TempDir()
	list, bad := filepath.Join(dir, "modules"), filepath.Join(dir, "bad.ko")
	require.NoError(t, os.WriteFile(bad, []byte("no module"), 0o644))
	require.NoError(t, os.WriteFile(list, []byte("/gone.ko.xz\n"+bad+"\n"), 0o644))
	err := loadModules(list, Cmdline{})
	require.ErrorContains(t, err, "load module /gone.ko.xz: open /gone.ko.xz: no such file or directory\n")
	require.ErrorContains(t, err, "load module "+bad+": ")
}
