package debian

import (
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
)

// litter is what is left of every installation: locks, backups, what a device makes for itself, and what tells of the
// building machine.
var litter = []string{
	"etc/.pwd.lock", "etc/group-", "etc/gshadow-", "etc/passwd-", "etc/shadow-", "etc/subgid-", "etc/subuid-",
	"etc/.resolv.conf.systemd-resolved.bak", "etc/hostname", "initrd.img", "initrd.img.old",
	"var/cache/debconf/config.dat-old", "var/cache/debconf/templates.dat-old",
	"var/cache/ldconfig/aux-cache",
	"var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret",
	"var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock",
	"var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old",
}

// clean removes what tells of the building machine, of this moment, or of a single device, and adds what an image
// needs to install further packages.
func (b *build) clean(t *layers.Tree) error {
	for _, name := range litter {
		t.Remove(name)
	}
	if n := t.Get("etc/resolv.conf"); n != nil && n.Type == layers.Regular {
		t.Remove("etc/resolv.conf")
	}
	for _, dir := range []string{"tmp", "run", "var/tmp", "var/lib/apt/lists", "var/cache/apt"} {
		removeFiles(t, dir, func(*layers.Node) bool { return true })
	}
	// Empty logs have owners and modes to keep, such as those of wtmp.
	removeFiles(t, "var/log", func(n *layers.Node) bool { return n.Type == layers.Regular && n.Content.Size > 0 })
	removePrefix(t, "etc/ssh", "ssh_host_")
	removePrefix(t, "boot", "initrd.img")
	l := b.layer
	w := recorder{tree: t, at: l.Date}
	// Empty, not missing: systemd makes an ID without taking the boot for a first one with presets to apply.
	w.put("etc/machine-id", &layers.Node{Type: layers.Regular, Mode: 0o444, ModTime: l.Date})
	w.file("etc/apt/sources.list.d/debian.sources", l.archive(DefaultMirror).Sources(Keyring))
	w.file(autoFile, automatic(b.debs, l.Architecture, l.Packages))
	return w.err
}

// removeFiles removes those files below a directory that which tells; directories stay.
func removeFiles(t *layers.Tree, dir string, which func(*layers.Node) bool) {
	sub := t.Sub(dir)
	if sub == nil {
		return
	}
	for name, n := range sub.Walk() {
		if n.Type != layers.Directory && which(n) {
			sub.Remove(name)
		}
	}
}

func removePrefix(t *layers.Tree, dir, prefix string) {
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
