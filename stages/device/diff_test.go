package device_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// variety is a device whose user changed every kind of file.
func variety(t *testing.T) device.Device {
	d, _ := newDevice(t)
	dir := root(d)
	put(t, dir, map[string]string{
		"base/sshd": "image\n", "upper/sshd": "image\n",
		"base/mode": "image\n", "upper/mode": "image\n",
		"base/binary": "a\x00b", "upper/binary": "a\x00c",
		"base/gone": "image\n", "stage/issue": "stage\n",
		"upper/hostname": "mine\n", "stage/conf.d/a": "", "base/conf.d/b": "", "stage/dir/x": "", "upper/dir": "was a directory\n",
		"base/large": strings.Repeat("x", 2<<20), "upper/large": strings.Repeat("y", 2<<20),
		"stage/many/1": "", "stage/many/2": "", "stage/many/3": "", "stage/many/4": "",
	})
	link := func(target, name string) { require.NoError(t, os.Symlink(target, filepath.Join(dir, name))) }
	link("../run/overlays/generated/etc/hostname", "stage/hostname")
	link("mtab", "stage/link")
	link("other", "upper/link")
	link("hosts.equiv", "upper/new-link")
	link("../run/overlays/generated/etc/resolv.conf", "stage/resolv.conf")
	require.NoError(t, os.Chmod(filepath.Join(dir, "upper/mode"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "upper/empty"), 0o755))
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "upper/pipe"), 0o644))
	return d
}

// nodes adds what only root can make: whiteouts, devices, opaque directories.
func nodes(t *testing.T, d device.Device) {
	needs.Root(t)
	dir := root(d)
	require.NoError(t, unix.Mknod(filepath.Join(dir, "upper/gone"), unix.S_IFCHR, 0))
	require.NoError(t, unix.Mknod(filepath.Join(dir, "upper/issue"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))))
	put(t, dir, map[string]string{"upper/conf.d/c": "mine\n"})
	require.NoError(t, unix.Setxattr(filepath.Join(dir, "upper/conf.d"), "trusted.overlay.opaque", []byte("y"), 0))
}

func TestDiff(t *testing.T) {
	d := variety(t)
	nodes(t, d)
	for path, want := range map[string]string{
		"/etc/motd":        "--- /etc/motd of stage 2\n+++ /etc/motd of the user\n@@ -1,1 +1,1 @@\n-stage\n+user\n",
		"/etc/hostname":    "--- /etc/hostname of stage 2\n+++ /etc/hostname of the user\n@@ -1,1 +1,1 @@\n-a symlink to ../run/overlays/generated/etc/hostname\n+file: mine\n",
		"/etc/link":        "--- /etc/link of stage 2\n+++ /etc/link of the user\n@@ -1,1 +1,1 @@\n-a symlink to mtab\n+a symlink to other\n",
		"/etc/new-link":    "--- /etc/new-link of nothing\n+++ /etc/new-link of the user\n@@ -0,0 +1,1 @@\n+a symlink to hosts.equiv\n",
		"/etc/mine/x":      "--- /etc/mine/x of nothing\n+++ /etc/mine/x of the user\n@@ -0,0 +1,1 @@\n+user\n",
		"/etc/gone":        "--- /etc/gone of the image\n+++ /etc/gone of the user\n@@ -1,1 +0,0 @@\n-image\n",
		"/etc/issue":       "--- /etc/issue of stage 2\n+++ /etc/issue of the user\n@@ -1,1 +1,1 @@\n-file: stage\n+a character device 1:3\n",
		"/etc/pipe":        "--- /etc/pipe of nothing\n+++ /etc/pipe of the user\n@@ -0,0 +1,1 @@\n+a named pipe\n",
		"/etc/empty":       "--- /etc/empty of nothing\n+++ /etc/empty of the user\n@@ -0,0 +1,1 @@\n+an empty directory\n",
		"/etc/dir":         "--- /etc/dir of stage 2\n+++ /etc/dir of the user\n@@ -1,1 +1,1 @@\n-a directory with x\n+file: was a directory\n",
		"/etc/mode":        "--- /etc/mode of the image\n+++ /etc/mode of the user\n@@ -1,1 +1,1 @@\n-mode 0644, owner 0:0\n+mode 0600, owner 0:0\n",
		"/etc/sshd":        "/etc/sshd is a copy that equals the file of the image, and hides its updates\n",
		"/etc/binary":      "/etc/binary of the image and /etc/binary of the user differ: binary files\n",
		"/etc/passwd":      "/etc/passwd is unchanged: it is from the image (a file)\n",
		"/etc/resolv.conf": "/etc/resolv.conf is unchanged: it is from stage 2 (a symlink to ../run/overlays/generated/etc/resolv.conf)\n",
		"/etc/many":        "/etc/many is unchanged: it is from stage 2 (a directory of 4 entries: 1, 2, 3, …)\n",
	} {
		found, err := d.Diff([]string{path})
		require.NoError(t, err, path)
		require.Len(t, found, 1, path)
		require.Equal(t, want, found[0].Diff)
	}
	found, err := d.Diff([]string{"/etc/conf.d"})
	require.NoError(t, err)
	require.Equal(t, "--- /etc/conf.d of stage 2\n+++ /etc/conf.d of the user\n@@ -1,1 +1,1 @@\n-a directory with a\n+a directory with c\n", found[0].Diff)
	require.Equal(t, "/etc/conf.d/c", found[1].Path)
	found, err = d.Diff([]string{"/etc/large"})
	require.NoError(t, err)
	require.Regexp(t, `\n-a file of 2097152 bytes, fingerprint [0-9a-f]{64}\n\+a file of 2097152 bytes, fingerprint [0-9a-f]{64}\n$`, found[0].Diff)
}

func TestWhy(t *testing.T) {
	d := variety(t)
	nodes(t, d)
	for path, want := range map[string]string{
		"/etc/motd":        "/etc/motd is from the user: changed against stage 2; first seen with stage 2",
		"/etc/gone":        "/etc/gone is from the user: deleted against the image; first seen with stage 2",
		"/etc/passwd":      "/etc/passwd is from the image: a file",
		"/etc/resolv.conf": "/etc/resolv.conf is from stage 2: a symlink to ../run/overlays/generated/etc/resolv.conf",
		"/etc/mine":        "/etc/mine is from the user: a directory\n/etc/mine/x is from the user: added; first seen with stage 2",
	} {
		found, err := d.Why([]string{path})
		require.NoError(t, err, path)
		require.Equal(t, want, found[0].String())
	}
	found, err := d.Why([]string{"/etc/gone", "/etc/issue"})
	require.NoError(t, err)
	require.Equal(t, []string{"deleted", "a character device 1:3"}, []string{found[0].What, found[1].What})
	for path, message := range map[string]string{
		"/etc/nowhere": "/etc/nowhere does not exist: neither the user nor a layer of /etc has it",
		"/srv/x":       "/srv/x is not in an overlay: only files below /etc are",
		"/etcetera":    "/etcetera is not in an overlay: only files below /etc are",
	} {
		_, err := d.Why([]string{path})
		require.EqualError(t, err, message)
	}
	setBoot(t, d, report.Boot{Version: 1})
	_, err = d.Why([]string{"/etc/motd"})
	require.EqualError(t, err, "/etc/motd is not in an overlay: this boot has none")
}

// A path through a symlink of the root file system is found where it lies.
func TestWhyFollowsDirectories(t *testing.T) {
	d, _ := newDevice(t)
	dir := root(d)
	boot, err := d.BootReport()
	require.NoError(t, err)
	boot.Overlays[0].Target = filepath.Join(dir, "etc")
	setBoot(t, d, boot)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "etc"), 0o755))
	require.NoError(t, os.Symlink("etc", filepath.Join(dir, "alias")))
	found, err := d.Why([]string{filepath.Join(dir, "alias/motd")})
	require.NoError(t, err)
	require.Equal(t, "the user", found[0].Layer)
}
