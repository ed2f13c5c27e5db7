package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/bootset"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// device extracts an image with its boot set, and installs a kernel beside it.
func device(t *testing.T, trees ...string) (root, boot string) {
	dir, digest := helpers(t)
	below := kernelTree(t, "f usr/lib/raspi-firmware/overlays/one.dtbo x")
	out, err := Layer{Pkinit: digest, Modules: []string{"ext4", "rp1_pci?"}, Cmdline: []string{"quiet"}}.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, below)
	require.NoError(t, err)
	require.NoError(t, below.Apply(out))
	root = filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.Mkdir(root, 0o755))
	require.NoError(t, below.Extract(t.Context(), root, tree.ExtractOptions{}))
	modules := "usr/lib/modules/7.3/"
	files := map[string]string{
		modules + "vmlinuz": "kernel 7.3", modules + "modules.dep": "kernel/fs/ext4.ko.xz:\nkernel/rp1_pci.ko.xz:\n", modules + "modules.builtin": "",
		modules + "modules.softdep": "", modules + "modules.alias": "", modules + "kernel/fs/ext4.ko.xz": "ext4 7.3", modules + "kernel/rp1_pci.ko.xz": "rp1",
	}
	for _, name := range trees {
		files[modules+"dtb/broadcom/"+name] = "tree 7.3"
	}
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	return root, filepath.Join(root, Firmware)
}

func TestAddSet(t *testing.T) {
	root, boot := device(t, "bcm2711-rpi-4-b.dtb", "bcm2712-rpi-5-b.dtb")
	config, err := os.ReadFile(filepath.Join(boot, "config.txt"))
	require.NoError(t, err)
	s := bootset.Store{Files: bootset.Dir(boot)}
	n, missing, err := AddSet(s, root, boot, "7.3")
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Empty(t, missing)
	require.NoError(t, s.Verify(2))
	for name, want := range map[string]string{
		"vmlinuz": "kernel 7.3", "bcm2712-rpi-5-b.dtb": "tree 7.3", "overlays/one.dtbo": "x",
		"cmdline.txt": "root=PARTUUID=-02 rootfstype=ext4 rootwait quiet pkinit.set=boot-2\n",
	} {
		got, err := os.ReadFile(filepath.Join(boot, "boot-2", name))
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
	require.FileExists(t, filepath.Join(boot, "boot-2/overlays/README"))
	after, err := os.ReadFile(filepath.Join(boot, "config.txt"))
	require.NoError(t, err)
	require.Equal(t, string(config), string(after))

	archive, err := os.ReadFile(filepath.Join(boot, "boot-2/initramfs.img"))
	require.NoError(t, err)
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(strings.NewReader(string(archive))))
	require.NoError(t, err)
	var names []string
	for _, r := range records {
		names = append(names, r.Name)
	}
	require.Subset(t, names, []string{"init", "dev/console", "sysroot", "etc/pkinit/modules", "usr/lib/modules/7.3/kernel/rp1_pci.ko.xz"})
	require.NotContains(t, strings.Join(names, "\n"), "6.1-arm64", "modules of the kernel before")
	require.Contains(t, string(archive), "pkinit", "pkinit is that of the set before")
	// A third set is made of the second.
	require.NoError(t, s.Select(2))
	n, _, err = AddSet(s, root, boot, "7.3")
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestAddSetErrors(t *testing.T) {
	root, boot := device(t, "bcm2712-rpi-5-b.dtb")
	s := bootset.Store{Files: bootset.Dir(boot)}
	for version, want := range map[string]string{
		"7.3": "kernel 7.3: no device tree bcm2711-rpi-4-b.dtb, which the selected boot set has",
		"7.4": "kernel 7.4 is not installed: no /boot/vmlinuz-7.4",
	} {
		_, _, err := AddSet(s, root, boot, version)
		require.EqualError(t, err, want)
	}
	root, boot = device(t, "bcm2711-rpi-4-b.dtb")
	require.NoError(t, os.RemoveAll(filepath.Join(root, "usr/lib/modules/7.3/kernel")))
	_, _, err := AddSet(bootset.Store{Files: bootset.Dir(boot)}, root, boot, "7.3")
	require.EqualError(t, err, "initramfs of kernel 7.3: kernel module /usr/lib/modules/7.3/kernel/fs/ext4.ko.xz is not in the tree")
	entries, err := os.ReadDir(boot)
	require.NoError(t, err)
	for _, e := range entries {
		require.NotEqual(t, "boot-2", e.Name(), "nothing was written")
	}
}
