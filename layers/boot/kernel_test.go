package boot

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// vendorTree returns a base like Raspberry Pi OS: a kernel for all models, and one for a Pi 5.
func vendorTree(t *testing.T, kernel string) *tree.Tree {
	k := kernelTree(t,
		"f boot/firmware/kernel8.img "+kernel, "f boot/firmware/kernel_2712.img another", "f boot/firmware/start4.elf vendor",
		"f boot/firmware/initramfs8 x", "f boot/firmware/initramfs_2712 x",
		"f boot/firmware/cmdline.txt root=PARTUUID=ffffffff-02 init=/usr/lib/raspberrypi-sys-mods/firstboot\n",
		"f boot/firmware/config.txt # the vendor's\r\ndtparam=audio=on\nauto_initramfs=1\narm_64bit=1\nkernel=x\ninitramfs y followkernel\n[cm4]\notg_mode=1\n")
	k.Remove("boot/vmlinuz-6.1-arm64")
	return k
}

func compressed(t *testing.T, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String() + "behind it"
}

const testBanner = "\x00Linux version %s\x00Linux version 6.1-arm64 (serge@example.org) #1 SMP\x00"

func TestBootOfAVendor(t *testing.T) {
	dir, digest := helpers(t)
	b := Layer{Signature: "0123abcd", Config: []string{"enable_uart=1"}, Cmdline: []string{"quiet"}, Modules: []string{"ext4"}, Pkinit: digest}
	for _, kernel := range []string{testBanner, compressed(t, testBanner)} {
		below := vendorTree(t, kernel)
		out, err := b.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, below)
		require.NoError(t, err)
		require.NoError(t, below.Apply(out))
		for name, want := range map[string]string{
			"boot/firmware/config.txt": "# the vendor's\ndtparam=audio=on\n[cm4]\notg_mode=1\n[all]\n" +
				"# Written by pkbuild from the recipe of this image.\narm_64bit=1\nkernel=kernel8.img\n" +
				"initramfs initramfs.img followkernel\nenable_uart=1\n",
			"boot/firmware/cmdline.txt": "root=PARTUUID=0123abcd-02 rootfstype=ext4 rootwait quiet\n",
			"boot/firmware/start4.elf":  "vendor",
			"boot/firmware/kernel8.img": kernel,
		} {
			got, err := below.ReadFile(name)
			require.NoError(t, err)
			require.Equal(t, want, string(got), name)
		}
		for _, name := range []string{"initramfs8", "initramfs_2712"} {
			require.Nil(t, below.Get("boot/firmware/"+name), name)
		}
		archive, err := below.ReadFile("boot/firmware/initramfs.img")
		require.NoError(t, err)
		require.Contains(t, string(archive), "/usr/lib/modules/6.1-arm64/kernel/fs/ext4/ext4.ko.xz\n")
	}
}

func TestBootOfAVendorErrors(t *testing.T) {
	dir, digest := helpers(t)
	noFirmware := vendorTree(t, testBanner)
	noFirmware.Remove("boot/firmware/start4.elf")
	for want, tree := range map[string]*tree.Tree{
		"find the version of kernel /boot/firmware/kernel8.img: kernel image has no \"Linux version\" banner": vendorTree(t, "Linux version %s"),
		"find the version of kernel /boot/firmware/kernel8.img: unexpected EOF":                               vendorTree(t, compressed(t, testBanner)[:30]),
		"no start4.elf in /boot/firmware of the base: it has no firmware to start from":                       noFirmware,
		"initramfs: /usr/lib/modules/6.2/modules.dep is not in the tree":                                      vendorTree(t, "Linux version 6.2 ("),
	} {
		_, err := Layer{Pkinit: digest}.Make(t.Context(), &layers.Env{Helpers: dir, Latest: imageTime}, tree)
		require.EqualError(t, err, want)
	}
}
