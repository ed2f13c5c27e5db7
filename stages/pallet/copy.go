package pallet

import (
	"fmt"
	"io/fs"
	"path"
)

// gitDir is what Git keeps in a checkout. It is left out of bundles, where Forklift puts it twice.
const gitDir = ".git"

// copy puts a file, a symlink or a directory with all below it from the pallet into the bundle. A regular file at the
// source itself gets the given permissions, unless they are 0. Symlinks are copied as they are and may point
// anywhere, but a source that is reached through a symlink out of the pallet is an error.
func (b *bundler) copy(source, target string, permissions fs.FileMode) error {
	f, err := b.file(source)
	if err != nil {
		return err
	}
	if f.Mode.IsDir() {
		return b.copyDir(source, target)
	}
	if f.Mode.IsRegular() && permissions != 0 {
		f.Mode = permissions
	}
	f.Path = target
	return b.files.put(f)
}

func (b *bundler) copyDir(source, target string) error {
	return fs.WalkDir(b.root.FS(), source, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read %s: %w", located(b.root, name), pathless(err))
		}
		if d.Name() == gitDir {
			return skip(d)
		}
		f, err := b.file(name)
		if err != nil {
			return err
		}
		f.Path = path.Join(target, below(source, name))
		return b.files.put(f)
	})
}

// skip leaves out an entry, and what lies below it.
func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// below is a path relative to one that it lies on or in.
func below(dir, name string) string {
	if dir == "." {
		return name
	}
	return name[len(dir):]
}

// file is an entry of the pallet as a bundle has it, but for its path. Of the permissions only that to execute
// matters, as in Git: the others come from the umask of whoever checked the pallet out.
func (b *bundler) file(name string) (File, error) {
	info, err := b.root.Lstat(name)
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", located(b.root, name), pathless(err))
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return File{Mode: fs.ModeDir | 0o755}, nil
	case mode.Type() == fs.ModeSymlink:
		target, err := b.root.Readlink(name)
		return File{Mode: fs.ModeSymlink | 0o777, Target: target}, err
	case !mode.IsRegular():
		return File{}, fmt.Errorf("read %s: a %s cannot be bundled", located(b.root, name), typeName(mode))
	case mode&0o100 != 0:
		return File{Mode: 0o755, Source: located(b.root, name)}, nil
	default:
		return File{Mode: 0o644, Source: located(b.root, name)}, nil
	}
}
