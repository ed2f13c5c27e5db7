package debian

import (
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// clean removes what tells of the building machine, of this moment, or of a single device, and adds what an image
// needs to install further packages.
func (b *build) clean(t *tree.Tree) error {
	sandbox.Tidy(t)
	t.Remove("etc/hostname")
	if n := t.Get("etc/resolv.conf"); n != nil && n.Type == tree.Regular {
		t.Remove("etc/resolv.conf")
	}
	l := b.layer
	w := recorder{tree: t, at: l.Date}
	// Empty, not missing: systemd makes an ID without taking the boot for a first one with presets to apply.
	w.put("etc/machine-id", &tree.Node{Type: tree.Regular, Mode: 0o444, ModTime: l.Date})
	w.file("etc/apt/sources.list.d/debian.sources", l.archive(DefaultMirror).Sources(Keyring))
	w.file(autoFile, automatic(b.debs, l.Architecture, l.Packages))
	if l.Slim != nil {
		w.file(slimFile, l.Slim.config())
	}
	return w.err
}
