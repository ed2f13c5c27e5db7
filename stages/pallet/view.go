package pallet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// maxEntries is the greatest number of files and directories in a pallet. Real pallets have hundreds.
const maxEntries = 100_000

// view is the files of a pallet: those of its directory, and imported ones.
type view struct {
	dir     string // of the pallet itself
	entries map[string]entry
	sorted  []string // the paths of the entries
}

// entry is a file, a symlink or a directory of a view.
type entry struct {
	dir    string // root directory that contains it
	name   string // path below dir
	mode   fs.FileMode
	origin []string // of an imported entry: the chain of pallets, PATH@VERSION each, the original last
}

// roots are the open directories by path. All reads go through them, so that no symlink leads out.
type roots map[string]*os.Root

func (r roots) open(dir string) (*os.Root, error) {
	if root, ok := r[dir]; ok {
		return root, nil
	}
	root, err := os.OpenRoot(dir)
	if err == nil {
		r[dir] = root
	}
	return root, err
}

// close closes all roots.
func (r roots) close() error {
	var errs []error
	for _, root := range r {
		errs = append(errs, root.Close())
	}
	clear(r)
	return errors.Join(errs...)
}

// scan returns the view of a directory without imports. It leaves .git out.
func scan(r roots, dir string) (*view, error) {
	root, err := r.open(dir)
	if err != nil {
		return nil, err
	}
	v := &view{dir: dir, entries: map[string]entry{}}
	if err := v.scan(root, "."); err != nil {
		return nil, err
	}
	v.sorted = slices.Sorted(maps.Keys(v.entries))
	return v, nil
}

// maxNesting is the greatest depth of directories.
const maxNesting = 100

// scan adds the entries of a directory tree. It reads directories in pieces, since one may have more entries than fit in
// memory.
func (v *view) scan(root *os.Root, dir string) (err error) {
	d, err := root.Open(dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", fullPath(root, dir), withoutPath(err))
	}
	var below []string
	for err == nil {
		var some []fs.DirEntry
		some, err = d.ReadDir(1024)
		for _, e := range some {
			name := path.Join(dir, e.Name())
			switch {
			case e.Name() == gitDir:
				continue
			case len(v.entries) == maxEntries:
				return errors.Join(fmt.Errorf("read %s: directory has more than %d files", v.dir, maxEntries), d.Close())
			case strings.Count(name, "/") > maxNesting:
				return errors.Join(fmt.Errorf("read %s: directories are nested more than %d deep", v.dir, maxNesting), d.Close())
			case e.IsDir():
				below = append(below, name)
			}
			v.entries[name] = entry{dir: v.dir, name: name, mode: e.Type()}
		}
	}
	if err = errors.Join(ignoreEOF(err), d.Close()); err != nil {
		return fmt.Errorf("read %s: %w", fullPath(root, dir), withoutPath(err))
	}
	for _, name := range below {
		if err := v.scan(root, name); err != nil {
			return err
		}
	}
	return nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// gitDir is Git's directory (or file) in a checkout. Forklift copies it into bundles twice; this package leaves it out.
const gitDir = ".git"

// skip makes fs.WalkDir skip an entry and everything below it.
func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// find returns the entry of a path. A path below a symlink to a directory resolves in the symlink's root directory; any
// other missing path resolves in the pallet's own directory, where reading it fails with fs.ErrNotExist.
func (v *view) find(name string) entry {
	if e, ok := v.entries[name]; ok {
		return e
	}
	for above := path.Dir(name); above != "."; above = path.Dir(above) {
		if e, ok := v.entries[above]; ok {
			return entry{dir: e.dir, name: path.Join(e.name, name[len(above):])}
		}
	}
	return entry{dir: v.dir, name: name}
}

// below returns the paths of all entries below a directory, sorted.
func (v *view) below(dir string) []string {
	if dir == "." {
		return v.sorted
	}
	from, _ := slices.BinarySearch(v.sorted, dir+"/")
	to, _ := slices.BinarySearch(v.sorted, dir+"0") // "0" comes after "/"
	return v.sorted[from:to]
}

// files yields the paths of all files and symlinks below a directory, sorted.
func (v *view) files(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, name := range v.below(dir) {
			if !v.entries[name].mode.IsDir() && !yield(name) {
				return
			}
		}
	}
}

// fullPath returns the path of a file of the view in the file system, for messages.
func (v *view) fullPath(name string) string {
	e := v.find(name)
	return path.Join(e.dir, e.name)
}

// read reads and decodes a YAML file of the view.
func (v *view) read(r roots, name string, into any) (*file, error) {
	e := v.find(name)
	root, err := r.open(e.dir)
	if err != nil {
		return &file{name: v.fullPath(name)}, err
	}
	return readFile(root, e.name, into)
}

// with returns the view with imported entries. An entry of the view hides an imported one of the same path.
func (v *view) with(imported map[string]entry) *view {
	merged := &view{dir: v.dir, entries: maps.Clone(v.entries)}
	for name, e := range imported {
		if _, own := v.entries[name]; own {
			continue
		}
		merged.entries[name] = e
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := merged.entries[dir]; ok {
				break
			}
			merged.entries[dir] = entry{dir: v.dir, name: dir, mode: fs.ModeDir}
		}
	}
	merged.sorted = slices.Sorted(maps.Keys(merged.entries))
	return merged
}
