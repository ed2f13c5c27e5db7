package debian

import (
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// clean removes traces of the building machine, of the time of the build and of a single device, and adds the files that
// an image needs to install packages later.
func (b *build) clean(t *tree.Tree) error {
	sandbox.Tidy(t)
	t.Remove("etc/hostname")
	if n := t.Get("etc/resolv.conf"); n != nil && n.Type == tree.Regular {
		t.Remove("etc/resolv.conf")
	}
	l := b.layer
	w := recorder{tree: t, at: l.Date}
	// Empty, not missing: systemd then generates an ID without treating the boot as a first boot that applies presets.
	w.put("etc/machine-id", &tree.Node{Type: tree.Regular, Mode: 0o444, ModTime: l.Date})
	w.file("etc/apt/sources.list.d/debian.sources", l.archive(DefaultMirror).Sources(Keyring))
	w.file(autoFile, automatic(b.debs, l.Architecture, l.Packages))
	if l.Slim != nil {
		w.file(slimFile, l.Slim.config())
	}
	return w.err
}
