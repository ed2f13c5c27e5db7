package debian

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// newSuffix is the suffix of a configuration file that dpkg renames when it configures the package.
const newSuffix = ".dpkg-new"

// unpacked is a tree in memory with packages as after `dpkg --unpack`.
type unpacked struct {
	tree       *tree.Tree
	debs       []*deb
	owners     map[string]*deb // of files, by their real path in the tree
	diversions diversions
	slim       *Slim // may be nil
}

func newUnpacked() *unpacked {
	return &unpacked{tree: tree.New(), owners: map[string]*deb{}}
}

// add unpacks packages by dpkg's rules: existing directories keep owner and mode, diverted files are renamed, configuration
// files get newSuffix, and a file of two packages belongs to the one that replaces the other.
func (u *unpacked) add(debs ...*deb) error {
	for _, d := range debs {
		for name, n := range d.files.Walk() {
			if err := u.put(d, name, n); err != nil {
				return fmt.Errorf("unpack %s: %w", d.Package, err)
			}
		}
		u.debs = append(u.debs, d)
	}
	return nil
}

func (u *unpacked) put(d *deb, name string, n *tree.Node) error {
	if u.slim.drops(name) {
		return nil
	}
	if n.Type == tree.Directory {
		if _, old := u.tree.Resolve(name); old != nil && old.Type == tree.Directory {
			return nil
		}
		bare := tree.Node{Mode: n.Mode, UID: n.UID, GID: n.GID, ModTime: n.ModTime, Xattrs: n.Xattrs}
		return u.tree.Put(name, &bare)
	}
	if old := u.tree.Get(name); old != nil && old.Type == tree.Directory && n.Type == tree.Symlink {
		return nil
	}
	target := u.diversions.target("/"+name, d.Name)
	if d.conffiles["/"+name] {
		target += newSuffix
	}
	dir, base := path.Split(target)
	real, _ := u.tree.Resolve(dir)
	at := path.Join(real, base)
	if other := u.owners[at]; other != nil && other != d {
		switch {
		case d.replaces(other):
			other.disown("/" + name)
		case other.replaces(d):
			d.disown("/" + name)
			return nil
		default:
			return fmt.Errorf("file %s already belongs to package %s", target, other.Package)
		}
	}
	u.owners[at] = d
	return u.tree.Put(target, n)
}

func (d *deb) replaces(other *deb) bool {
	provided := append(other.fields.relations("provides"), []string{other.Name})
	return slices.ContainsFunc(d.fields.relations("replaces"), func(names []string) bool {
		return slices.ContainsFunc(provided, func(p []string) bool { return p[0] == names[0] })
	})
}

func (d *deb) disown(name string) {
	d.list = slices.DeleteFunc(slices.Clone(d.list), func(n string) bool { return n == name })
}

// diversions are the diverted paths by path: dpkg-divert(1).
type diversions map[string]diversion

type diversion struct {
	to     string
	except string // package whose files stay; ":" for a local diversion, which none escapes
}

func (d diversions) target(name, pkg string) string {
	if to, ok := d[name]; ok && to.except != pkg {
		return to.to
	}
	return name
}

// parseDiversions parses dpkg's database of diversions: three lines for each.
func parseDiversions(text string) diversions {
	out := diversions{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for len(lines) >= 3 {
		out[lines[0]] = diversion{to: lines[1], except: lines[2]}
		lines = lines[3:]
	}
	return out
}
