package pallet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// copy adds a file, a symlink or a directory tree of a view to the bundle. If the source is a regular file it gets the
// given permissions, unless they are 0. Symlinks are copied verbatim and may point anywhere, but a source path that leads
// through a symlink out of the pallet is an error.
func (b *bundler) copy(v *view, source, target string, permissions fs.FileMode) error {
	e, ok := v.entries[source]
	switch {
	case source == ".", ok && e.mode.IsDir():
		return b.copyBelow(v, source, target)
	case !ok:
		e = v.find(source)
	}
	root, err := b.roots.open(e.dir)
	if err != nil {
		return err
	}
	f, err := lstat(root, e.name)
	if err != nil {
		return err
	}
	if f.Mode.IsDir() {
		return b.copyDir(root, e.name, target)
	}
	if f.Mode.IsRegular() && permissions != 0 {
		f.Mode = permissions
	}
	f.Path = target
	return b.put(f)
}

// copyBelow adds a directory tree of a view to the bundle.
func (b *bundler) copyBelow(v *view, source, target string) error {
	if err := b.put(File{Path: target, Mode: fs.ModeDir | 0o755}); err != nil {
		return err
	}
	for _, name := range v.below(source) {
		f, err := b.entry(v.entries[name])
		if err != nil {
			b.mistakes.add(err)
			continue
		}
		f.Path = path.Join(target, relativeTo(source, name))
		b.mistakes.add(b.put(f))
	}
	return nil
}

// entry returns an entry of a view as a file of the bundle, without its path.
func (b *bundler) entry(e entry) (File, error) {
	if e.mode.IsDir() {
		return File{Mode: fs.ModeDir | 0o755}, nil
	}
	root, err := b.roots.open(e.dir)
	if err != nil {
		return File{}, err
	}
	return lstat(root, e.name)
}

// copyDir adds a directory tree that is outside of all views to the bundle.
func (b *bundler) copyDir(root *os.Root, source, target string) error {
	return fs.WalkDir(root.FS(), source, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read %s: %w", fullPath(root, name), withoutPath(err))
		}
		if d.Name() == gitDir {
			return skip(d)
		}
		f, err := lstat(root, name)
		if err != nil {
			return err
		}
		f.Path = path.Join(target, relativeTo(source, name))
		return b.put(f)
	})
}

// relativeTo returns a path relative to dir, which is the path itself or a directory above it: "" or "/…".
func relativeTo(dir, name string) string {
	if dir == "." {
		return name
	}
	return name[len(dir):]
}

// lstat returns an entry of a directory as a file of a bundle, without its path. As in Git, only the execute bit of the
// permissions counts: the others depend on the umask of the checkout.
func lstat(root *os.Root, name string) (File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", fullPath(root, name), withoutPath(err))
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return File{Mode: fs.ModeDir | 0o755}, nil
	case mode.Type() == fs.ModeSymlink:
		target, err := root.Readlink(name)
		return File{Mode: fs.ModeSymlink | 0o777, Target: target}, err
	case !mode.IsRegular():
		return File{}, fmt.Errorf("read %s: file is a %s; a bundle has regular files, directories and symlinks only",
			fullPath(root, name), typeName(mode))
	}
	f := File{Mode: 0o644, Source: fullPath(root, name), special: info.Mode() & (fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)}
	if info.Mode()&0o100 != 0 {
		f.Mode = 0o755
	}
	return f, nil
}

// copyFrom copies the content of a regular file.
func copyFrom(w io.Writer, root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", fullPath(root, name), withoutPath(err))
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}
