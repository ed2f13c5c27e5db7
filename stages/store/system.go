package store

import (
	"context"
	"io"
	"io/fs"
)

// System is what a store asks of the operating system. Names are relative to the store's directory and valid in the
// sense of fs.ValidPath. No call follows a symlink out of the directory.
type System interface {
	// Lock waits for the exclusive lock on a file, which it makes where it is missing. The lock ends with the process.
	Lock(ctx context.Context, name string) (unlock func() error, err error)
	Open(name string) (fs.File, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	Create(name string, mode fs.FileMode) (File, error) // fails where the name is taken
	Mkdir(name string, mode fs.FileMode) error
	Symlink(target, name string) error
	Rename(from, to string) error
	Remove(name string) error
	SyncDir(name string) error // the names in a directory are on the disk
	SyncAll() error            // all that was written to the file system is on the disk
	Close() error
}

// File is a file that is being written.
type File interface {
	io.Writer
	Sync() error
	Close() error
}
