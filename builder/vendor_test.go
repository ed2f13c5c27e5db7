package builder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/diskimage"
	"github.com/PlanktoScope/pkbuild/layers/tree"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// userCache returns pkbuild's cache of the user who runs the test.
func userCache(t *testing.T) string {
	if dir := os.Getenv("PKBUILD_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	return filepath.Join(dir, "pkbuild")
}

// standIn returns a disk image with the layout of Raspberry Pi OS: Debian's essential packages, and two repositories, of
// "Debian" and of the vendor, each with its own signing key.
func standIn(t *testing.T, cache string, date time.Time) string {
	t.Helper()
	l := debian.Layer{Architecture: "arm64", Suite: "trixie", Components: []string{"main"}, Date: date}
	env := &layers.Env{Cache: cache, Scratch: t.TempDir(), Mirror: Mirror(t.Context()), Latest: date}
	key, err := layers.KeyOf(l, layers.Key{})
	require.NoError(t, err)
	record, err := layers.NewRecord("debian", l)
	require.NoError(t, err)
	made, _, err := layers.Store{Dir: filepath.Join(cache, "layers")}.Put(t.Context(), key, record, date,
		func(ctx context.Context) (*tree.Tree, error) { return l.Make(ctx, env, nil) })
	require.NoError(t, err)
	defer made.Close()
	files := made.Tree

	debians, vendors := newArchive(t), newArchive(t)
	debians.add(t, "first", "", map[string]string{"DEBIAN/postinst": "#!/bin/sh\nset -e\ntouch /opt/first-is-configured\n"})
	debians.add(t, "second", "Pre-Depends: first\n", map[string]string{
		"DEBIAN/preinst":   "#!/bin/sh\nset -e\ntest -e /opt/first-is-configured\n",
		"DEBIAN/conffiles": "/etc/second.conf\n", "etc/second.conf": "shipped\n", "usr/lib/second": "second\n"})
	vendors.add(t, "from-vendor", "Depends: second\n", map[string]string{
		"DEBIAN/postinst": "#!/bin/sh\nset -e\nuname -m >/opt/machine\necho x >/var/log/build\ntouch /etc/machine-id.new\n"})
	vendors.add(t, "third", "Depends: second, fourth\n", map[string]string{
		"DEBIAN/postinst": "#!/bin/sh\nset -e\ntest -e /opt/machine\necho x >/var/log/build\n"})
	debians.add(t, "fourth", "", map[string]string{"usr/lib/fourth": "fourth\n"})
	debianKey, vendorKey := debians.publish(t), vendors.publish(t)

	const modules = "usr/lib/modules/6.12-rpi-v8/"
	for name, content := range map[string]string{
		"etc/rpi-issue":                               "Raspberry Pi reference 2026-06-18\n",
		"etc/second.conf":                             "the vendor's own\n", // a configuration file that is there already
		"etc/apt/sources.list.d/debian.sources":       debians.sources("/usr/share/keyrings/debians.gpg"),
		"etc/apt/sources.list.d/vendor.list":          fmt.Sprintf("deb [signed-by=/etc/apt/keyrings/vendors.gpg] file://%s ./\n", vendors.dir),
		"usr/share/keyrings/debians.gpg":              string(debianKey),
		"etc/apt/keyrings/vendors.gpg":                string(vendorKey),
		"boot/firmware/kernel8.img":                   "\x00Linux version 6.12-rpi-v8 (vendor)",
		"boot/firmware/start4.elf":                    "firmware",
		"boot/firmware/initramfs8":                    "the vendor's",
		"boot/firmware/config.txt":                    "dtparam=audio=on\nauto_initramfs=1\n",
		"boot/firmware/cmdline.txt":                   "root=PARTUUID=deadbeef-02 init=/usr/lib/raspberrypi-sys-mods/firstboot\n",
		modules + "modules.dep":                       "kernel/fs/overlayfs/overlay.ko.xz:\n",
		modules + "modules.builtin":                   "kernel/fs/ext4/ext4.ko\n",
		modules + "modules.softdep":                   "",
		modules + "modules.alias":                     "",
		modules + "kernel/fs/overlayfs/overlay.ko.xz": "overlay",
	} {
		require.NoError(t, files.Put(name, &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: date, Content: tree.Inline(content)}))
	}
	image := filepath.Join(t.TempDir(), "vendor.img")
	layout := disk.Layout{Signature: 0xdeadbeef, Time: date, Partitions: []disk.Partition{
		{Mount: disk.Firmware, Format: disk.FAT32, Label: "bootfs", Size: 256 << 20},
		{Mount: "/", Format: disk.Ext4, Label: "rootfs", UUID: uuid.NewSHA1(uuid.NameSpaceURL, []byte("vendor")), Free: 16 << 20},
	}}
	d, err := disk.Prepare(files, layout)
	require.NoError(t, err)
	_, err = d.Create(t.Context(), image, disk.Options{})
	require.NoError(t, err)
	command(t, "xz", "-0", "-T0", image)
	return image + ".xz"
}

const vendorRecipe = `
name: instrument
base:
  image: {source: vendor.img.xz, sha256: "%s"}
layers:
  - install: [third, second]
  - packages: [second, from-vendor, base-files]
  - run:
      script: |
        cat /run/pkbuild/inputs/vendor.pub >/opt/input
        dpkg-query --show --showformat='$${Status}\n' from-vendor >/opt/status
        cp /run/pkbuild/secrets/word /dev/null
      inputs: [vendor.pub]
      secrets: [word]
  - users:
      - {name: pi, groups: [sudo]}
secrets:
  word: {env: PKBUILD_TEST_WORD}
boot:
  modules: [ext4, overlay]
`

// TestVendorBase builds on a stand-in for Raspberry Pi OS, with a package of Debian's repository, one of the vendor's,
// and a script.
func TestVendorBase(t *testing.T) {
	needs.Root(t)
	const word = "a word that is found nowhere else"
	t.Setenv("PKBUILD_TEST_WORD", word)
	cache := userCache(t)
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := write(t, map[string]string{"vendor.pub": "an input\n"})
	image := standIn(t, cache, date)
	require.NoError(t, os.Rename(image, filepath.Join(dir, "vendor.img.xz")))
	digest, err := sha256sum.File(t.Context(), filepath.Join(dir, "vendor.img.xz"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pi.yml"), fmt.Appendf(nil, vendorRecipe, digest), 0o644))
	r, err := recipes.Load(filepath.Join(dir, "pi.yml"), recipes.Options{})
	require.NoError(t, err)

	helpers := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(helpers, layers.Helper("pkinit", "arm64")), []byte("pkinit"), 0o755))
	pkinit, err := sha256sum.File(t.Context(), filepath.Join(helpers, layers.Helper("pkinit", "arm64")))
	require.NoError(t, err)
	own := t.TempDir() // what this test makes is of no use to others, but its packages are
	require.NoError(t, os.MkdirAll(filepath.Join(cache, "debs"), 0o755))
	require.NoError(t, os.Symlink(filepath.Join(cache, "debs"), filepath.Join(own, "debs")))
	o := options{Workspace{Dir: dir, Caches: Caches{Cache: own}, Helpers: helpers, Mirror: Mirror(t.Context())}, filepath.Join(t.TempDir(), "pi.img")}
	l, err := Resolve(t.Context(), gather(t, r), ResolveOptions{Cache: own, Mirror: o.Mirror})
	require.NoError(t, err)
	require.Len(t, l.Debian.Packages, 3, "what the base has is left alone: %v", l.Debian.Packages)
	require.Len(t, l.Over, 1)
	require.Equal(t, []string{"fourth", "third"}, []string{l.Over[0][0].Name, l.Over[0][1].Name}, "what lies below, too")
	s, err := Gather(t.Context(), r, locked(l))
	require.NoError(t, err)
	p, err := Compile(s, map[string]string{"pkinit": pkinit})
	require.NoError(t, err)

	ended, err := run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.Equal(t, "image done, debian done, install done, run done, users warning, users done, boot done, disk done", strings.Join(ended, ", "))
	first, err := sha256sum.File(t.Context(), o.Output)
	require.NoError(t, err)
	requireVendorImage(t, o.Output)

	ended, err = run(t, t.Context(), p, o)
	require.NoError(t, err)
	require.Equal(t, "image done, debian cached, install cached, run cached, users warning, users done, boot done, disk done", strings.Join(ended, ", "))
	second, err := sha256sum.File(t.Context(), o.Output)
	require.NoError(t, err)
	require.Equal(t, first, second)
	requireNowhere(t, own, word)
}

func requireVendorImage(t *testing.T, image string) {
	t.Helper()
	f, err := os.Open(image)
	require.NoError(t, err)
	defer f.Close()
	tree, err := diskimage.Read(t.Context(), f, nil)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"etc/rpi-issue":             "Raspberry Pi reference 2026-06-18\n",
		"etc/second.conf":           "the vendor's own\n",
		"usr/lib/second":            "second\n",
		"usr/lib/fourth":            "fourth\n",
		"opt/machine":               "aarch64\n",
		"opt/input":                 "an input\n",
		"opt/status":                "install ok installed\n",
		"boot/firmware/kernel8.img": "\x00Linux version 6.12-rpi-v8 (vendor)",
	} {
		got, err := tree.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
	for name, want := range map[string]string{
		"boot/firmware/config.txt":     "dtparam=audio=on\n[all]\n",
		"boot/firmware/cmdline.txt":    "-02 rootfstype=ext4 rootwait",
		"var/lib/apt/extended_states":  "Package: first\nArchitecture: arm64\nAuto-Installed: 1\n\nPackage: fourth\n",
		"var/lib/dpkg/status":          "Package: from-vendor\nStatus: install ok installed\n",
		"boot/firmware/initramfs.img":  "overlay.ko.xz",
		"etc/passwd":                   "pi:x:1000:1000:",
		"var/lib/dpkg/info/first.list": "/.",
	} {
		got, err := tree.ReadFile(name)
		require.NoError(t, err)
		require.Contains(t, string(got), want, name)
	}
	for _, name := range []string{"boot/firmware/initramfs8", "var/log/build", "var/log/dpkg.log", "var/lib/dpkg/status-old"} {
		require.Nil(t, tree.Get(name), name)
	}
	status, err := tree.ReadFile("var/lib/dpkg/status")
	require.NoError(t, err)
	require.NotContains(t, string(status), "install ok unpacked")
}

// requireNowhere checks that no file below a directory contains a text.
func requireNowhere(t *testing.T, dir, text string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		require.False(t, strings.Contains(string(data), text), name)
		return err
	}))
}
