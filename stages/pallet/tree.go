package pallet

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// tree is the files of a bundle by path.
type tree map[string]File

// put adds a file and the directories above it. A file or symlink replaces an earlier one, as exports of features replace
// those of their deployment. Putting a directory over a file, or the reverse, is an error, and so is a symlink among the
// directories above.
func (t tree) put(f File) error {
	old, ok := t[f.Path]
	switch {
	case ok && old.Mode.IsDir() && f.Mode.IsDir():
		return nil
	case ok && (old.Mode.IsDir() || f.Mode.IsDir()):
		return fmt.Errorf("path %s is both a %s and a %s", f.Path, typeName(old.Mode), typeName(f.Mode))
	}
	if dir := path.Dir(f.Path); dir != "." {
		if err := t.put(File{Path: dir, Mode: fs.ModeDir | 0o755}); err != nil {
			return err
		}
	}
	t[f.Path] = f
	return nil
}

// restrict removes the permissions of a source file from its copies outside of the exports that none of its exports has: a
// secret that is exported with 0600 must not be readable in packages.
func (t tree) restrict() {
	exported := map[string]fs.FileMode{}
	for name, f := range t {
		if f.Source != "" && strings.HasPrefix(name, exportsDir+"/") {
			exported[f.Source] |= f.Mode
		}
	}
	for name, f := range t {
		if mode, ok := exported[f.Source]; ok && !strings.HasPrefix(name, exportsDir+"/") {
			f.Mode &= mode
			t[name] = f
		}
	}
}

// list returns the files sorted by path.
func (t tree) list() []File {
	return slices.SortedFunc(maps.Values(t), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
}

// overlaid are the directories that a device uses as lowerdirs or extensions. A symlink in their place would mount
// something else.
var overlaid = []string{"overlays", "overlays/etc", "overlays/usr", "extensions"}

// check returns an error if one of the overlaid directories is no directory.
func (t tree) check() error {
	for _, name := range overlaid {
		f, ok := t[path.Join(exportsDir, name)]
		if ok && !f.Mode.IsDir() {
			return fmt.Errorf("path %s is a %s, want a directory", f.Path, typeName(f.Mode))
		}
	}
	return nil
}
