package bootset

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Files are the files of a boot partition. Names are relative to its root.
type Files interface {
	ReadDir(name string) ([]fs.DirEntry, error)
	Open(name string) (io.ReadCloser, error)
	// Create writes a new file, and the directories above it. It need not be on the disk before Sync.
	Create(name string, content io.Reader) error
	// Overwrite replaces the content of a file of the same size, in place and synced. One sector is replaced at once or not.
	Overwrite(name string, data []byte) error
	RemoveAll(name string) error
	// Sync waits until all that was done is on the disk.
	Sync() error
	// Free returns the bytes that can be written, and the size of the clusters in which files are stored.
	Free() (free, cluster int64, err error)
}

// Dir is the path at which a boot partition is mounted. It implements Files.
type Dir string

func (d Dir) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

// ReadDir returns the entries of a directory, sorted by name.
func (d Dir) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(d.path(name)) }

// Open opens a file for reading.
func (d Dir) Open(name string) (io.ReadCloser, error) { return os.Open(d.path(name)) }

// Create writes a new file, and the directories above it. It fails if the file exists. The file need not be on the disk
// before Sync.
func (d Dir) Create(name string, content io.Reader) (err error) {
	file := d.path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, content); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// Overwrite writes data over the beginning of an existing file, in place, and syncs the file.
func (d Dir) Overwrite(name string, data []byte) error {
	f, err := os.OpenFile(d.path(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(data, 0); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// RemoveAll removes a file or a directory with all that it contains. It does nothing if there is none. The removal need not
// be on the disk before Sync.
func (d Dir) RemoveAll(name string) error { return os.RemoveAll(d.path(name)) }

// Sync waits until all changes of the file system are on the disk.
func (d Dir) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &os.PathError{Op: "sync file system of", Path: string(d), Err: err}
	}
	return nil
}

// Free returns the free space of the file system and the size of its clusters, both in bytes.
func (d Dir) Free() (free, cluster int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(string(d), &s); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: string(d), Err: err}
	}
	return int64(s.Bavail) * s.Bsize, s.Bsize, nil
}
