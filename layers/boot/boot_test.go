package boot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/bootset"
	"github.com/PlanktoScope/pkbuild/layers/firmware"
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
		"boot/firmware/config.txt": sector("os_prefix=boot-1/\ncmdline=cmdline.txt\n# Written by pkbuild.\narm_64bit=1\nupstream_kernel=1\n" +
			"kernel=vmlinuz\ninitramfs initramfs.img followkernel\n[pi4]\narm_boost=1\n"),
		"boot/firmware/boot-1/cmdline.txt":         "root=PARTUUID=0123abcd-02 rootfstype=ext4 rootwait quiet pkinit.set=boot-1\n",
		"boot/firmware/boot-1/vmlinuz":             "kernel",
		"boot/firmware/start4.elf":                 "firmware",
		"boot/firmware/boot-1/bcm2711-rpi-4-b.dtb": "dtb",
		"usr/lib/pkinit/pkinit":                    "pkinit",
		"etc/fstab":                                "PARTUUID=0123abcd-02 / ext4 defaults,noatime 0 1\nPARTUUID=0123abcd-01 /boot/firmware vfat defaults,noatime,nofail 0 2\n",
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

	archive, err := out.ReadFile("boot/firmware/boot-1/initramfs.img")
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

// sector returns the content of a config.txt, which has the size of a sector.
func sector(text string) string { return text + strings.Repeat("\n", 512-len(text)) }

// TestBootSet: the set of an image is complete, and starts a board.
func TestBootSet(t *testing.T) {
	dir, digest := helpers(t)
	long := make([]string, 30)
	for i := range long {
		long[i] = fmt.Sprintf("dtoverlay=number-%d,parameter=1", i)
	}
	for name, config := range map[string][]string{"short": {"enable_uart=1"}, "long": long} {
		t.Run(name, func(t *testing.T) {
			below := kernelTree(t, "f usr/lib/raspi-firmware/fixup4.dat x", "f usr/lib/raspi-firmware/overlays/number-7.dtbo x")
			below.Get("boot/vmlinuz-6.1-arm64").Content = tree.Inline(strings.Repeat("\x00", 56) + "ARMd" + strings.Repeat("\x00", 90))
			out, err := Layer{Pkinit: digest, Config: config}.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, below)
			require.NoError(t, err)
			boot := filepath.Join(t.TempDir(), "boot")
			require.NoError(t, os.Mkdir(boot, 0o755))
			require.NoError(t, out.Sub(Firmware).Extract(t.Context(), boot, tree.ExtractOptions{}))
			store := bootset.Store{Files: bootset.Dir(boot)}
			sets, err := store.List()
			require.NoError(t, err)
			require.Len(t, sets, 1)
			require.Equal(t, "6.1-arm64", sets[0].Kernel)
			require.True(t, sets[0].Selected)
			require.NoError(t, store.Verify(1))
			b, err := firmware.Named("pi4")
			require.NoError(t, err)
			c := firmware.Choose(os.DirFS(boot), b, firmware.State{})
			require.NoError(t, c.Err())
			require.Equal(t, "boot-1/", c.Prefix)
			require.Equal(t, name == "long", len(c.Overlays) == 1, "overlays of an included file")
		})
	}
	_, err := Layer{Pkinit: digest, Config: append(long, "gpu_mem=16")}.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, kernelTree(t))
	require.EqualError(t, err, "boot.config needs more than a sector with the rest of config.txt, and gpu_mem does not work in an included file")
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

// TestNewerKernel: since Linux 7.2 kernel and device trees lie beside the modules.
func TestNewerKernel(t *testing.T) {
	dir, digest := helpers(t)
	below := kernelTree(t, "f "+testModules+"vmlinuz newer", "f "+testModules+"dtb/broadcom/bcm2712-rpi-5-b.dtb dtb5")
	below.Remove("boot/vmlinuz-6.1-arm64")
	below.Remove("usr/lib/linux-image-6.1-arm64")
	for _, link := range []bool{true, false} {
		if link {
			require.NoError(t, below.Put("usr/lib/linux-image-6.1-arm64",
				&tree.Node{Type: tree.Symlink, Target: "modules/6.1-arm64/dtb"}))
		} else {
			below.Remove("usr/lib/linux-image-6.1-arm64")
		}
		out, err := Layer{Pkinit: digest}.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, below)
		require.NoError(t, err)
		for name, want := range map[string]string{"vmlinuz": "newer", "bcm2712-rpi-5-b.dtb": "dtb5"} {
			got, err := out.ReadFile("boot/firmware/boot-1/" + name)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
	}
}

func TestOptionalModules(t *testing.T) {
	dir, digest := helpers(t)
	var warnings []string
	env := &layers.Env{Helpers: dir, Latest: imageTime, Progress: func(p layers.Progress) {
		require.True(t, p.Warning)
		warnings = append(warnings, p.Message)
	}}
	b := Layer{Pkinit: digest, Modules: []string{"rp1-pci?", "ext4?", "virtio_pci?", "dwc3?"}}
	out, err := b.Make(t.Context(), env, kernelTree(t))
	require.NoError(t, err)
	require.Equal(t, []string{"kernel 6.1-arm64 has no module rp1-pci, dwc3: left out of the initramfs"}, warnings)
	archive, err := out.ReadFile("boot/firmware/boot-1/initramfs.img")
	require.NoError(t, err)
	require.Contains(t, string(archive), testModules+"kernel/fs/ext4/ext4.ko.xz")
}

func TestBoards(t *testing.T) {
	dir, digest := helpers(t)
	drivers := testModules + "modules.dep kernel/drivers/mmc/host/sdhci-iproc.ko.xz:\nkernel/drivers/mmc/host/sdhci-brcmstb.ko.xz:\n"
	files := []string{
		"f usr/lib/raspi-firmware/fixup4.dat x", "f usr/lib/linux-image-6.1-arm64/broadcom/bcm2712-rpi-5-b.dtb x",
		"f boot/vmlinuz-6.1-arm64 " + strings.Repeat("\x00", 56) + "ARMd" + strings.Repeat("\x00", 90),
		"f " + drivers, "f " + testModules + "kernel/drivers/mmc/host/sdhci-iproc.ko.xz x",
		"f " + testModules + "kernel/drivers/mmc/host/sdhci-brcmstb.ko.xz x",
	}
	both := []string{"sdhci_iproc", "sdhci-brcmstb?"}
	for _, tt := range []struct {
		name            string
		boards, modules []string
		without, want   string
	}{
		{"start", []string{"pi4", "pi5"}, both, "", ""},
		{"no device tree", []string{"pi400"}, both, "", "boot.boards: pi400: no device tree in the boot partition: bcm2711-rpi-400.dtb"},
		{"no device tree on a Pi 5", []string{"pi5", "cm5"}, both, "usr/lib/linux-image-6.1-arm64/broadcom/bcm2712-rpi-5-b.dtb",
			"boot.boards: pi5: no device tree in the boot partition: bcm2712-rpi-5-b.dtb\n" +
				"boot.boards: cm5: no device tree in the boot partition: bcm2712-rpi-cm5-cm5io.dtb"},
		{"no firmware", []string{"pi3"}, both, "", "boot.boards: pi3: bootcode.bin is missing"},
		{"driver is not listed", []string{"pi4"}, nil, "", "boot.boards: pi4: boot.modules lacks sdhci_iproc, the driver of its card"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			below := kernelTree(t, files...)
			below.Remove(tt.without)
			b := Layer{Pkinit: digest, Boards: tt.boards, Modules: tt.modules}
			out, err := b.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, below)
			if tt.want != "" {
				require.EqualError(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			config, err := out.ReadFile("boot/firmware/config.txt")
			require.NoError(t, err)
			require.Contains(t, string(config), "# boards: pi4 pi5\n")
		})
	}
	older := kernelTree(t, files[:3]...)
	_, err := Layer{Pkinit: digest, Boards: []string{"pi5"}}.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, older)
	require.EqualError(t, err, "boot.boards: pi5: kernel 6.1-arm64 has no sdhci_brcmstb, the driver of its card; "+
		"linux-image-arm64/trixie-backports has one")
}
