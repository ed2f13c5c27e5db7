package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"golang.org/x/sys/unix"
)

// linux implements System in a directory.
type linux struct{ *os.Root }

// Linux returns a System for the stage store in a directory of this machine's file system. It fails if the directory does
// not exist.
func Linux(dir string) (System, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return linux{root}, nil
}

// lockLimit is how long a command waits for another one, which may be pulling images.
const lockLimit = 10 * time.Minute

// Lock waits for the exclusive lock on a file, at most ten minutes. It creates the file with mode 0600: every user who can
// open a file can lock it, and so block other processes.
func (l linux) Lock(ctx context.Context, name string) (func() error, error) {
	return atomicfile.LockWithin(ctx, filepath.Join(l.Name(), name), lockLimit)
}

func (l linux) Open(name string) (fs.File, error) { return l.Root.Open(name) }

func (l linux) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(l.FS(), name) }

// Create creates a file and sets its mode with chmod, whatever the umask. It fails if the file exists.
func (l linux) Create(name string, mode fs.FileMode) (io.WriteCloser, error) {
	f, err := l.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(mode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (l linux) WriteFile(name string, data []byte, mode fs.FileMode) error {
	return atomicfile.WriteIn(l.Root, name, data, mode)
}

func (l linux) Mkdir(name string, mode fs.FileMode) error {
	return errors.Join(l.Root.Mkdir(name, 0o700), l.Chmod(name, mode))
}

func (l linux) SyncDir(name string) error {
	d, err := l.Root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (l linux) SyncAll() error {
	d, err := l.Root.Open(".")
	if err != nil {
		return err
	}
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", l.Name(), err), d.Close())
	}
	return d.Close()
}
