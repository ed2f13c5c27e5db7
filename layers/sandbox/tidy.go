package sandbox

import (
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// temporaryFiles are left by every installation: locks, backups, files that each device creates itself, and files that
// identify the building machine.
var temporaryFiles = []string{
	"etc/.pwd.lock", "etc/group-", "etc/gshadow-", "etc/passwd-", "etc/shadow-", "etc/subgid-", "etc/subuid-",
	"etc/.resolv.conf.systemd-resolved.bak", "initrd.img", "initrd.img.old",
	"var/cache/debconf/config.dat-old", "var/cache/debconf/templates.dat-old",
	"var/cache/ldconfig/aux-cache",
	"var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret",
	"var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock",
	"var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old",
}

// temporaryDirs are directories whose files are of no use on a device.
var temporaryDirs = []string{"tmp", "run", "var/tmp", "var/lib/apt/lists", "var/cache/apt"}

// TemporaryFiles returns the paths, relative to the root, of the single files that Tidy removes, such as locks and backups.
func TemporaryFiles() []string { return temporaryFiles }

// Tidy removes from a tree temporary files, lists and caches of apt, logs that are not empty, initramfs images in /boot, and
// files that identify a machine or device, such as SSH host keys. Directories stay.
func Tidy(t *tree.Tree) {
	for _, name := range temporaryFiles {
		t.Remove(name)
	}
	for _, dir := range temporaryDirs {
		removeFiles(t, dir, func(*tree.Node) bool { return true })
	}
	// Empty logs have owners and modes to keep, such as those of wtmp.
	removeFiles(t, "var/log", func(n *tree.Node) bool { return n.Type == tree.Regular && n.Content.Size > 0 })
	removePrefix(t, "etc/ssh", "ssh_host_")
	removePrefix(t, "boot", "initrd.img")
}

// removeFiles removes the files below a directory for which the function returns true. Directories stay.
func removeFiles(t *tree.Tree, dir string, which func(*tree.Node) bool) {
	sub := t.Sub(dir)
	if sub == nil {
		return
	}
	for name, n := range sub.Walk() {
		if n.Type != tree.Directory && which(n) {
			sub.Remove(name)
		}
	}
}

func removePrefix(t *tree.Tree, dir, prefix string) {
	sub := t.Sub(dir)
	if sub == nil {
		return
	}
	for base := range sub.Root.Children() {
		if strings.HasPrefix(base, prefix) {
			t.Remove(path.Join(dir, base))
		}
	}
}
