package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// over installs packages in a tree with packages. The tree's own dpkg does so, with the tools laid over the tree; it handles
// configuration files, diversions and replaced packages.
func (b *build) over(ctx context.Context) (*tree.Tree, error) {
	if err := b.fetch(ctx); err != nil {
		return nil, err
	}
	if len(b.debs) == 0 {
		b.report("all packages are there already", 0)
		return tree.New(), nil
	}
	began := time.Now()
	s, err := b.sandbox("install", b.below)
	if err != nil {
		return nil, err
	}
	w := recorder{tree: s.Tools, at: b.layer.Date}
	w.file(scripts+"/install.sh", installScript(waves(b.debs)))
	for _, d := range b.debs {
		f, err := os.Open(b.pool.path(d.Package))
		if err != nil {
			return nil, err
		}
		w.put(d.archive(), &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Content{ReaderAt: f, Size: d.Size}})
	}
	if w.err != nil {
		return nil, w.err
	}
	changes, err := s.Run(ctx, b.log, "/bin/sh", "/"+scripts+"/install.sh")
	if err != nil {
		return nil, fmt.Errorf("install the packages: %w", err)
	}
	return changes, errors.Join(b.cleanOver(changes), sandbox.CheckResidue(changes, began))
}

// archive returns the path of a package during its installation.
func (d *deb) archive() string {
	return path.Join(scripts, "debs", d.Name+"_"+d.Architecture+".deb")
}

// installScript returns a script that installs packages in the order of their dependencies.
func installScript(waves []wave) string {
	const dpkg = "dpkg --force-unsafe-io --force-confold --abort-after=1"
	text := "set -eu\ncd /\n"
	for _, w := range waves {
		if len(w.configure) > 0 {
			text += dpkg + " --no-triggers --configure"
			for _, d := range w.configure {
				text += " " + d.id()
			}
			text += "\n"
		}
		text += dpkg + " --no-triggers --unpack"
		for _, d := range w.unpack {
			text += " /" + d.archive()
		}
		text += "\n"
	}
	return text + dpkg + " --configure --pending\n"
}

// cleanOver removes traces of the building machine, of the time of the build and of a single device from the changes to a
// tree, and updates the list of automatically installed packages.
func (b *build) cleanOver(changes *tree.Tree) error {
	sandbox.Tidy(changes)
	for _, name := range []string{"etc/hostname", "etc/machine-id", "etc/resolv.conf"} {
		changes.Remove(name)
	}
	var records string
	if b.below.Get(autoFile) != nil {
		text, err := b.below.ReadFile(autoFile)
		if err != nil {
			return err
		}
		records = strings.TrimRight(string(text), "\n") + "\n\n"
	}
	w := recorder{tree: changes, at: b.layer.Date}
	w.file(autoFile, records+automatic(b.newDebs(), b.layer.Architecture, b.layer.Packages))
	return w.err
}

// newDebs returns the packages of which the tree has no version.
func (b *build) newDebs() []*deb {
	var out []*deb
	for _, d := range b.debs {
		if b.below.Get(dpkgDir+"/info/"+d.Name+".list") == nil && b.below.Get(dpkgDir+"/info/"+d.id()+".list") == nil {
			out = append(out, d)
		}
	}
	return out
}

// codename returns the suite of a tree from its os-release.
func codename(t *tree.Tree) (string, error) {
	text, err := t.ReadFile("etc/os-release")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(value, `"`), nil
		}
	}
	return "", fmt.Errorf("/etc/os-release of the base has no VERSION_CODENAME, so its suite is unknown")
}
