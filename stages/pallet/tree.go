package pallet

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
)

// tree is the files of a bundle by path.
type tree map[string]File

// put adds a file with the directories on the way to it. A later file replaces an earlier one, as an export of a
// feature does that of its deployment; a directory is neither replaced nor replaces. Nothing is put through a symlink.
func (t tree) put(f File) error {
	old, ok := t[f.Path]
	switch {
	case ok && old.Mode.IsDir() && f.Mode.IsDir():
		return nil
	case ok && (old.Mode.IsDir() || f.Mode.IsDir()):
		return fmt.Errorf("%s is to be a %s and a %s", f.Path, typeName(old.Mode), typeName(f.Mode))
	}
	if dir := path.Dir(f.Path); dir != "." {
		if err := t.put(File{Path: dir, Mode: fs.ModeDir | 0o755}); err != nil {
			return err
		}
	}
	t[f.Path] = f
	return nil
}

// list is the files in the order of their paths' bytes.
func (t tree) list() []File {
	return slices.SortedFunc(maps.Values(t), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
}

// overlaid are the directories that a device lays over its own. A link in their place would lay over something else.
var overlaid = []string{"overlays", "overlays/etc", "overlays/usr", "extensions"}

// check says what a device could not use, or would use wrongly.
func (t tree) check() error {
	for _, name := range overlaid {
		f, ok := t[path.Join(exportsDir, name)]
		if ok && !f.Mode.IsDir() {
			return fmt.Errorf("%s is to be a directory, and it is a %s", f.Path, typeName(f.Mode))
		}
	}
	return nil
}
