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
	overrides  statOverrides // of earlier batches: dpkg reads them when it starts
	slim       *Slim         // may be nil

	batch  int    // its number, from 1
	before int    // number of debs of earlier batches
	status string // dpkg's status file after the earlier batches
}

func newUnpacked() *unpacked {
	return &unpacked{tree: tree.New(), owners: map[string]*deb{}}
}

// beginBatch counts all packages so far as configured, and reads dpkg's status of them. It fails if that cannot be read.
func (u *unpacked) beginBatch() (err error) {
	u.batch++
	u.before = len(u.debs)
	if u.tree.Get(statusFile) == nil {
		return nil
	}
	text, err := u.tree.ReadFile(statusFile)
	if err != nil {
		return err
	}
	u.status = strings.TrimRight(string(text), "\n") + "\n\n"
	u.overrides, err = readStatOverrides(u.tree)
	return err
}

// add unpacks packages by dpkg's rules: existing directories keep owner and mode, statoverrides apply, diverted files are renamed,
// configuration files get newSuffix, and a file of two packages belongs to the one that replaces the other.
func (u *unpacked) add(debs ...*deb) error {
	for _, d := range debs {
		if err := d.addSums(); err != nil {
			return fmt.Errorf("unpack %s: %w", d.Package, err)
		}
		for name, n := range d.files.Walk() {
			if err := u.put(d, name, n); err != nil {
				return fmt.Errorf("unpack %s: %w", d.Package, err)
			}
		}
		u.debs = append(u.debs, d)
	}
	return nil
}

// scratch returns the name of a scratch directory of this batch.
func (u *unpacked) scratch(name string) string {
	if u.batch == 1 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, u.batch)
}

// divert sets the diversions, and gives the diverted files of unpacked packages their new paths.
func (u *unpacked) divert(all diversions) {
	u.diversions = all
	for from, to := range all {
		for _, suffix := range []string{"", newSuffix} {
			old := u.real(from + suffix)
			if d := u.owners[old]; d != nil && d.Name != to.except {
				delete(u.owners, old)
				u.owners[u.real(to.to+suffix)] = d
			}
		}
	}
}

// real returns the path of a file in the tree, with the symlinks of its directory resolved.
func (u *unpacked) real(name string) string {
	dir, base := path.Split(name)
	real, _ := u.tree.Resolve(dir)
	return path.Join(real, base)
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
		u.overrides.apply(name, &bare)
		return u.tree.Put(name, &bare)
	}
	if old := u.tree.Get(name); old != nil && old.Type == tree.Directory && n.Type == tree.Symlink {
		return nil
	}
	target := u.diversions.target("/"+name, d.Name)
	if d.conffiles["/"+name] {
		target += newSuffix
	}
	at := u.real(target)
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
	u.overrides.apply(name, n)
	return u.tree.Put(target, n)
}

func (d *deb) replaces(other *deb) bool {
	provided := append(other.fields.relations("provides"), []string{other.Name})
	return slices.ContainsFunc(d.fields.relations("replaces"), func(names []string) bool {
		return slices.ContainsFunc(provided, func(p []string) bool { return p[0] == names[0] })
	})
}

func (d *deb) disown(name string) {
	d.lost = append(d.lost, name)
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
