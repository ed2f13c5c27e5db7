package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// lockPoll is how often a lock that somebody else holds is asked for.
const lockPoll = 50 * time.Millisecond

// linux is the operating system below a directory.
type linux struct{ *os.Root }

// Linux is the operating system, for a store in a directory.
func Linux(dir string) (System, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return linux{root}, nil
}

// Lock is only for those who may change the store: whoever may read a file may lock it, and so keep others waiting.
func (l linux) Lock(ctx context.Context, name string) (func() error, error) {
	lock := flock.New(filepath.Join(l.Name(), name), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, err
	}
	return lock.Close, nil
}

func (l linux) Open(name string) (fs.File, error) { return l.Root.Open(name) }

func (l linux) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(l.FS(), name) }

// Create sets the mode on its own, since what is in a store does not depend on whoever's umask.
func (l linux) Create(name string, mode fs.FileMode) (File, error) {
	f, err := l.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(mode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
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
