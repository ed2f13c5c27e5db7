package boot

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// imageTime is the time of the image in the tests.
var imageTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const testModules = "usr/lib/modules/6.1-arm64/"

func kernelTree(t *testing.T, more ...string) *tree.Tree {
	return treetest.New(t, append([]string{
		"l lib usr/lib",
		"f boot/vmlinuz-6.1-arm64 kernel",
		"f usr/lib/raspi-firmware/start4.elf firmware",
		"f usr/lib/linux-image-6.1-arm64/broadcom/bcm2711-rpi-4-b.dtb dtb",
		"f " + testModules + "modules.dep kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz\n" +
			"kernel/fs/jbd2/jbd2.ko.xz:\nkernel/lib/crc16.ko.xz:\nkernel/crypto/crc32c-generic.ko.xz:\nkernel/fs/overlay.ko.xz:\n",
		"f " + testModules + "modules.builtin kernel/drivers/virtio/virtio-pci.ko\n",
		"f " + testModules + "modules.softdep # a comment\nsoftdep ext4 pre: crc32c nothing post: overlay\n",
		"f " + testModules + "modules.alias # a comment\nalias crc32c crc32c_generic\nalias fs-overlay overlay\n",
		"f " + testModules + "kernel/fs/ext4/ext4.ko.xz ext4",
		"f " + testModules + "kernel/fs/jbd2/jbd2.ko.xz jbd2",
		"f " + testModules + "kernel/lib/crc16.ko.xz crc16",
		"f " + testModules + "kernel/crypto/crc32c-generic.ko.xz crc32c",
		"f " + testModules + "kernel/fs/overlay.ko.xz overlay",
	}, more...)...)
}

// helpers returns a directory with a pkinit, and its digest.
func helpers(t *testing.T) (dir, digest string) {
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, layers.Helper("pkinit", "arm64")), []byte("pkinit"), 0o755))
	sum := sha256.Sum256([]byte("pkinit"))
	return dir, hex.EncodeToString(sum[:])
}

func TestBoot(t *testing.T) {
	dir, digest := helpers(t)
	b := Layer{Signature: "0123abcd", Config: []string{"[pi4]", "arm_boost=1"}, Cmdline: []string{"quiet"}, Modules: []string{"ext4", "virtio_pci"}, Pkinit: digest}
	out, err := b.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, kernelTree(t))
	require.NoError(t, err)
	for name, want := range map[string]string{
		"boot/firmware/config.txt": "# Written by pkbuild from the recipe of this image.\narm_64bit=1\nupstream_kernel=1\n" +
			"kernel=vmlinuz\ninitramfs initramfs.img followkernel\n[pi4]\narm_boost=1\n",
		"boot/firmware/cmdline.txt":         "root=PARTUUID=0123abcd-02 rootfstype=ext4 rootwait quiet\n",
		"boot/firmware/vmlinuz":             "kernel",
		"boot/firmware/start4.elf":          "firmware",
		"boot/firmware/bcm2711-rpi-4-b.dtb": "dtb",
		"usr/lib/pkinit/pkinit":             "pkinit",
		"etc/fstab":                         "PARTUUID=0123abcd-02 / ext4 defaults,noatime 0 1\nPARTUUID=0123abcd-01 /boot/firmware vfat defaults,noatime,nofail 0 2\n",
	} {
		got, err := out.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
	require.Equal(t, uint32(0o755), out.Get("usr/lib/pkinit/pkinit").Mode)
	for _, dir := range []string{"overrides/etc", "overrides/usr", "workdirs/etc", "workdirs/usr", "reserve/1", "reserve/8"} {
		require.Equal(t, tree.Directory, out.Get("var/lib/overlays/"+dir).Type, dir)
	}
	require.Equal(t, int64(512<<10), out.Get("var/lib/overlays/reserve/blocks").Content.Size)

	archive, err := out.ReadFile("boot/firmware/initramfs.img")
	require.NoError(t, err)
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(strings.NewReader(string(archive))))
	require.NoError(t, err)
	var names []string
	for _, r := range records {
		names = append(names, r.Name)
		if r.Name == "etc/pkinit/modules" {
			data := make([]byte, r.FileSize)
			_, err := r.ReadAt(data, 0)
			require.NoError(t, err)
			require.Equal(t, "/usr/lib/modules/6.1-arm64/kernel/crypto/crc32c-generic.ko.xz\n"+
				"/usr/lib/modules/6.1-arm64/kernel/fs/jbd2/jbd2.ko.xz\n/usr/lib/modules/6.1-arm64/kernel/lib/crc16.ko.xz\n"+
				"/usr/lib/modules/6.1-arm64/kernel/fs/ext4/ext4.ko.xz\n", string(data))
		}
	}
	require.Subset(t, names, []string{"init", "dev", "dev/console", "proc", "run", "sys", "sysroot", "etc/pkinit/modules", testModules + "kernel/fs/ext4/ext4.ko.xz"})
	require.NotContains(t, names, testModules+"kernel/fs/overlay.ko.xz")
}

func TestBootErrors(t *testing.T) {
	dir, digest := helpers(t)
	good := Layer{Pkinit: digest}
	for name, c := range map[string]struct {
		boot Layer
		tree *tree.Tree
		want string
	}{
		"no kernel":   {good, tree.New(), "no /boot/vmlinuz-* in the tree: add a kernel, such as the package linux-image-arm64"},
		"two kernels": {good, kernelTree(t, "f boot/vmlinuz-6.2 x"), "2 kernels in the tree (6.1-arm64, 6.2): keep one"},
		"no such module": {Layer{Pkinit: digest, Modules: []string{"nope"}}, kernelTree(t),
			"initramfs: the kernel has no module nope"},
		"no firmware": {good, func() *tree.Tree { k := kernelTree(t); k.Remove("usr/lib/raspi-firmware"); return k }(),
			"no start4.elf in /usr/lib/raspi-firmware: add the firmware, such as the package raspi-firmware"},
		"another helper": {Layer{Pkinit: "00"}, kernelTree(t),
			filepath.Join(dir, "pkinit-arm64") + " changed since the plan was made: its SHA-256 is " + digest + ", not 00"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.boot.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, c.tree)
			require.EqualError(t, err, c.want)
		})
	}
}
