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

// loader reads a pallet and those that it requires, and gathers mistakes and notes.
type loader struct {
	ctx               context.Context
	resolver          Resolver
	ignoreToolVersion bool
	roots             roots
	mistakes          mistakes
	notes             []string
	trees             map[string]*layered // by path and version
	repositories      map[string]*view    // by path
	packages          map[packageKey]*Package
	resources         int // that were read so far
}

// note notes what is worth knowing, once.
func (l *loader) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(l.notes, text) {
		l.notes = append(l.notes, text)
	}
}

// layered is a pallet with what it takes from others.
type layered struct {
	path         string // of the pallet
	version      string // "" for the one that was asked for
	declared     palletDeclaration
	file         *file
	own          *view
	merged       *view
	required     []*required // pallets
	repositories []*required
	features     map[string]mapping     // what was found of features, by name
	pending      []string               // features that are being found
	from         map[string]mappedEntry // the imported files by path
}

// name is the path with the version.
func (t *layered) name() string {
	if t.version == "" {
		return t.path
	}
	return t.path + "@" + t.version
}

// maxDepth is how many pallets may require each other in a row. Real ones have two or three.
const maxDepth = 32

// layer reads the pallet of a view and merges what it imports. Above are the paths of the pallets that require it.
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
		l.mistakes.add(t.file.errorf(steps{"pallet", "path"}, "the pallet has no path"))
	}
	t.required = l.requirements(v, requiredPallets)
	for _, req := range t.required {
		l.load(t, req, above)
	}
	t.merge(l)
	return t
}

// load reads a required pallet, unless nothing is taken from it or it is one of those that require it.
func (l *loader) load(t *layered, req *required, above []string) {
	if len(req.enabled()) == 0 {
		return
	}
	above = append(slices.Clip(above), t.path)
	if slices.Contains(above, req.Path) {
		l.mistakes.add(req.file.errorf(nil, "pallets require each other in a circle: %s",
			strings.Join(append(above[slices.Index(above, req.Path):], req.Path), " requires ")))
		return
	}
	if len(above) == maxDepth {
		l.mistakes.add(req.file.errorf(nil, "more than %d pallets require each other in a row", maxDepth))
		return
	}
	key := req.key()
	if known, ok := l.trees[key]; ok {
		req.tree = known
		return
	}
	v, err := l.resolve(req)
	if err != nil {
		l.mistakes.add(err)
		return
	}
	req.tree = l.layer(v, req.Lock.Version(), above)
	l.trees[key] = req.tree
	l.notOlder(t, req.file, req.Path, req.tree.declared.ForkliftVersion)
	if p := req.tree.path; p != "" && p != req.Path {
		l.note("%s: the pallet calls itself %s, and %s is required", req.tree.file.place(steps{"pallet", "path"}), p, req.Path)
	}
	req.tree.path = req.Path
}

// notOlder: who takes files of a later format than its own declares would mislead older tools.
func (l *loader) notOlder(t *layered, at *file, path, version string) {
	if semver.Compare(t.declared.ForkliftVersion, version) < 0 {
		l.mistakes.add(t.file.errorf(steps{"forklift-version"}, "forklift-version %s is older than the %s of the required %s (%s)",
			t.declared.ForkliftVersion, version, path, at.name))
	}
}

// mappedEntry is an imported file.
type mappedEntry struct {
	entry
	at place // of the modifier
}

// merge evaluates the imports and lays the files of the pallet itself over them.
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
		l.mistakes.add(fmt.Errorf("%s: more than %d files are imported", t.own.dir, maxEntries))
		return
	}
	imported := map[string]entry{}
	for name, e := range t.from {
		imported[name] = e.entry
	}
	t.merged = t.own.with(imported)
}

// add takes over a file of a required pallet. That of another pallet at the same place has to be the same file.
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
		l.mistakes.add(m.at.file.errorf(m.at.at, "%s is imported from %s, and from %s (%s), which has %s",
			name, e.provenance()[0], old.provenance()[0], old.at, difference))
	}
}

// provenance is where an imported file is from, pallet after pallet, the last being the one that has it.
func (e entry) provenance() []string {
	var all []string
	for _, pallet := range e.origin {
		all = append(all, path.Join(pallet, e.name))
	}
	return all
}

// difference says in what two files differ, "" if they do not.
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
		return fmt.Sprintf("the mode %v instead of %v", fa.Mode, fb.Mode)
	case fa.Target != fb.Target || !bytes.Equal(ca, cb):
		return "another content"
	}
	return ""
}

// content is an entry with the bytes of a regular file.
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
