package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// Write durably replaces a file, or creates it in a directory that exists, with data and permissions, whatever the umask.
// If writing the data fails, the old file stays. A symlink at name is replaced, not followed.
func Write(name string, data []byte, mode fs.FileMode) (err error) {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return WriteIn(root, filepath.Base(name), data, mode)
}

// WriteIn is Write for a name relative to root. It fails if the name leads out of root.
func WriteIn(root *os.Root, name string, data []byte, mode fs.FileMode) (err error) {
	p, err := create(context.Background(), root, name, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if _, err := p.Write(data); err != nil {
		return err
	}
	if err := p.Chmod(mode); err != nil {
		return err
	}
	return p.Commit()
}

// Replace durably replaces a file, or creates it in a directory that exists, with what write writes. If write fails, the
// old file stays. Concurrent writers of a file wait for each other, and the last one wins. The permissions are 0644 less
// the umask unless write changes them.
func Replace(ctx context.Context, name string, write func(*os.File) error) (err error) {
	p, err := Create(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := write(p.File); err != nil {
		return err
	}
	return p.Commit()
}

// Rename renames a file durably: it syncs the directories of both names. A file that has the new name already is replaced.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if filepath.Dir(from) != filepath.Dir(to) {
		if err := SyncDir(filepath.Dir(from)); err != nil {
			return err
		}
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir syncs the entries of a directory: names that were created, renamed or deleted.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return syncDir(d)
}

// syncDir syncs an open directory and closes it. Network file systems that cannot sync directories return EINVAL.
func syncDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Pending is the new version of a file under a temporary name, until Commit renames it. It is locked until Close, which
// must be called after Commit, too.
type Pending struct {
	*os.File
	root      *os.Root
	ownRoot   bool // root is closed with the file
	name      string
	committed bool
}

const tmpSuffix = ".tmp"

// Create starts a new version of a file, in a directory that must exist: it opens an empty file of that name with ".tmp"
// appended, which Commit renames. It waits, until ctx ends, for other processes that write the same file, and removes
// leftovers of killed processes.
func Create(ctx context.Context, name string) (*Pending, error) {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	p, err := create(ctx, root, filepath.Base(name), 0o644)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	p.ownRoot = true
	return p, nil
}

func create(ctx context.Context, root *os.Root, name string, perm fs.FileMode) (*Pending, error) {
	tmp := name + tmpSuffix
	for {
		f, err := root.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_RDWR, perm)
		if errors.Is(err, fs.ErrExist) {
			if err := removeAbandoned(ctx, root, tmp); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := Flock(ctx, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if isCurrent(root, tmp, f) {
			return &Pending{File: f, root: root, name: name}, nil
		}
		if err := f.Close(); err != nil { // another process took it for abandoned before it was locked
			return nil, err
		}
	}
}

// removeAbandoned waits until no process writes a temporary file, and removes it if it is still there.
func removeAbandoned(ctx context.Context, root *os.Root, tmp string) (err error) {
	info, err := root.Lstat(tmp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return &fs.PathError{Op: "replace", Path: filepath.Join(root.Name(), tmp), Err: syscall.EISDIR}
	}
	if info.Mode().IsRegular() {
		f, err := root.OpenFile(tmp, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if errors.Is(err, fs.ErrPermission) { // of another user: whoever wrote it can tell that it is gone
			return root.Remove(tmp)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := Flock(ctx, f); err != nil {
			return err
		}
		if !isCurrent(root, tmp, f) {
			return nil
		}
	}
	if err := root.Remove(tmp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isCurrent reports whether f is the file at name.
func isCurrent(root *os.Root, name string, f *os.File) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := root.Lstat(name)
	return err == nil && os.SameFile(opened, named)
}

func (p *Pending) path() string { return filepath.Join(p.root.Name(), p.name) }

// Commit durably replaces the file: it syncs the new version, renames it to the file's name and syncs the directory. It
// fails if another process deleted the new version.
func (p *Pending) Commit() error {
	if err := p.Sync(); err != nil {
		return err
	}
	if !isCurrent(p.root, p.name+tmpSuffix, p.File) {
		return fmt.Errorf("replace %s: another process deleted %s", p.path(), p.Name())
	}
	if err := p.root.Rename(p.name+tmpSuffix, p.name); err != nil {
		if link := (*os.LinkError)(nil); errors.As(err, &link) {
			err = link.Err // its names are relative to the directory
		}
		return fmt.Errorf("replace %s: %w", p.path(), err)
	}
	p.committed = true
	d, err := p.root.Open(path.Dir(filepath.ToSlash(p.name)))
	if err != nil {
		return err
	}
	return syncDir(d)
}

// Close closes the new version and so unlocks it. It deletes the new version unless Commit has renamed it; the old version
// of the file then stays.
func (p *Pending) Close() error {
	var errs []error
	if !p.committed && isCurrent(p.root, p.name+tmpSuffix, p.File) {
		errs = append(errs, p.root.Remove(p.name+tmpSuffix))
	}
	errs = append(errs, p.File.Close())
	if p.ownRoot {
		errs = append(errs, p.root.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %s: %w", p.Name(), err)
	}
	return nil
}
