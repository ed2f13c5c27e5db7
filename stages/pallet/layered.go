package pallet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// loader reads a pallet with its requirements and collects mistakes and notes.
type loader struct {
	ctx               context.Context
	resolver          Resolver
	ignoreToolVersion bool
	roots             roots
	mistakes          mistakes
	notes             []string
	resolved          map[string]resolved // cache of resolve, by requirement
	trees             map[string]*layered // cache of layerRequired, by requirement
	repositories      map[string]resolved // cache of repository, by requirement
	packages          map[packageKey]*Package
	resources         int // number of resources read so far
}

// note adds a note, unless it is there already.
func (l *loader) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(l.notes, text) {
		l.notes = append(l.notes, text)
	}
}

// layered is a pallet with its imports from required pallets.
type layered struct {
	path         string // of the pallet
	version      string // of a required pallet; "" for the pallet that is read
	declared     palletDeclaration
	file         *file
	own          *view
	merged       *view
	required     []*required            // pallets
	repositories []*required            // repositories
	features     map[string]mapping     // cache of feature, by name
	pending      []string               // features under evaluation, each added by the one before it
	from         map[string]mappedEntry // imported files by path
}

// name returns PATH@VERSION, or the path alone if there is no version.
func (t *layered) name() string {
	if t.version == "" {
		return t.path
	}
	return t.path + "@" + t.version
}

// maxDepth is the longest chain of pallets that require each other. Real chains have two or three.
const maxDepth = 32

// layer reads the pallet of a view and merges its imports. Above has the paths of the pallets that require it.
func (l *loader) layer(v *view, version string, above []string) *layered {
	t := &layered{version: version, own: v, merged: v, features: map[string]mapping{}}
	var err error
	if t.file, err = v.read(l.roots, palletFile, &t.declared); err != nil {
		l.mistakes.add(err)
		return t
	}
	t.path = t.declared.Pallet.Path
	l.version(t.file, t.declared.ForkliftVersion)
	if t.path == "" {
		l.mistakes.add(t.file.errorf(keyPath{"pallet", "path"}, "pallet has no path"))
	}
	t.required = l.requirements(v, requiredPallets)
	for _, req := range t.required {
		l.load(t, req, above)
	}
	t.merge(l)
	return t
}

// load reads a required pallet unless all its import groups are disabled. A cycle is a mistake.
func (l *loader) load(t *layered, req *required, above []string) {
	if len(req.enabled()) == 0 {
		return
	}
	above = append(slices.Clip(above), t.path)
	if slices.Contains(above, req.Path) {
		l.mistakes.add(req.file.errorf(nil, "dependency cycle between pallets: %s",
			strings.Join(append(above[slices.Index(above, req.Path):], req.Path), " requires ")))
		return
	}
	if len(above) == maxDepth {
		l.mistakes.add(req.file.errorf(nil, "pallet %s is the end of a chain of more than %d required pallets", req.Path, maxDepth))
		return
	}
	v, err := l.resolve(req)
	if err != nil {
		l.mistakes.add(err)
		return
	}
	req.tree = l.layerRequired(t, req, v, above)
}

// layerRequired is layer for a required pallet.
func (l *loader) layerRequired(t *layered, req *required, v *view, above []string) *layered {
	key := req.key()
	if known, ok := l.trees[key]; ok {
		return known
	}
	tree := l.layer(v, req.Lock.Version(), above)
	l.trees[key] = tree
	l.notOlder(t, req.file, req.Path, tree.declared.ForkliftVersion)
	if p := tree.path; p != "" && p != req.Path {
		l.note("%s: pallet path is %s, but it is required as %s", tree.file.position(keyPath{"pallet", "path"}), p, req.Path)
	}
	tree.path = req.Path
	return tree
}

// notOlder adds a mistake if the pallet declares an older format version than a requirement: an older tool would read
// files of a format that it does not know.
func (l *loader) notOlder(t *layered, at *file, path, version string) {
	if semver.Compare(t.declared.ForkliftVersion, version) < 0 {
		l.mistakes.add(t.file.errorf(keyPath{"forklift-version"}, "forklift-version %s is older than the %s of the required %s (%s)",
			t.declared.ForkliftVersion, version, path, at.name))
	}
}

// mappedEntry is an imported file.
type mappedEntry struct {
	entry
	at position // of the modifier that imports it
}

// merge evaluates the imports and merges them below the pallet's own files.
func (t *layered) merge(l *loader) {
	t.from = map[string]mappedEntry{}
	for _, req := range t.required {
		if req.tree == nil {
			continue
		}
		m := req.tree.consolidate(l, req)
		for _, target := range slices.Sorted(maps.Keys(m)) {
			t.add(l, req.tree, target, m[target])
		}
	}
	if len(t.from) > maxEntries {
		l.mistakes.add(fmt.Errorf("%s: pallet imports more than %d files", t.own.dir, maxEntries))
		return
	}
	imported := map[string]entry{}
	for name, e := range t.from {
		imported[name] = e.entry
	}
	t.merged = t.own.with(imported)
}

// add imports a file of a required pallet. If another required pallet has the same target, the files must be identical.
func (t *layered) add(l *loader, from *layered, target string, m mapped) {
	source := strings.TrimPrefix(m.source, "/")
	e := from.merged.entries[source]
	e.origin = append([]string{from.name()}, e.origin...)
	name := strings.TrimPrefix(target, "/")
	old, ok := t.from[name]
	if !ok {
		t.from[name] = mappedEntry{e, m.at}
		return
	}
	if difference := l.difference(old.entry, e); difference != "" {
		l.mistakes.add(m.at.file.errorf(m.at.at, "file %s is imported from %s and from %s (%s), which differs: %s",
			name, e.provenance()[0], old.provenance()[0], old.at, difference))
	}
}

// provenance returns the chain of an imported file's sources, PALLET@VERSION/FILE each; the last is the original.
func (e entry) provenance() []string {
	var all []string
	for _, pallet := range e.origin {
		all = append(all, path.Join(pallet, e.name))
	}
	return all
}

// difference returns in what two files differ, "" if they are identical.
func (l *loader) difference(a, b entry) string {
	if a.dir == b.dir && a.name == b.name {
		return ""
	}
	fa, ca, err := l.content(a)
	fb, cb, err2 := l.content(b)
	switch {
	case err != nil || err2 != nil:
		return errors.Join(err, err2).Error()
	case fa.Mode != fb.Mode:
		return fmt.Sprintf("mode %v, want %v", fa.Mode, fb.Mode)
	case fa.Target != fb.Target || !bytes.Equal(ca, cb):
		return "content"
	}
	return ""
}

// content returns an entry, with its bytes if it is a regular file.
func (l *loader) content(e entry) (File, []byte, error) {
	root, err := l.roots.open(e.dir)
	if err != nil {
		return File{}, nil, err
	}
	f, err := lstat(root, e.name)
	if err != nil || f.Mode.Type() != 0 {
		return f, nil, err
	}
	data, err := fs.ReadFile(root.FS(), e.name)
	return f, data, err
}
