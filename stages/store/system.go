package store

import (
	"context"
	"io"
	"io/fs"
)

// System is the interface to the file system through which a store does everything. Names are relative to the store's
// directory and valid by fs.ValidPath. No call follows a symlink out of the directory.
type System interface {
	// Lock waits for the exclusive lock on a file, which it creates if needed. The kernel releases it when the process
	// dies.
	Lock(ctx context.Context, name string) (unlock func() error, err error)
	Open(name string) (fs.File, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	Readlink(name string) (string, error)
	Create(name string, mode fs.FileMode) (io.WriteCloser, error) // fails with fs.ErrExist if the file exists
	WriteFile(name string, data []byte, mode fs.FileMode) error   // replaces a file durably
	Mkdir(name string, mode fs.FileMode) error
	Symlink(target, name string) error
	Rename(from, to string) error
	Remove(name string) error
	SyncDir(name string) error // fsync of a directory
	SyncAll() error            // syncfs of the file system
	Close() error
}
