// Package newdir creates directories atomically.
package newdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// prefix is the prefix of temporary names.
const prefix = ".new-"

// Make creates a directory: fill writes its content under a temporary name beside it, and Make syncs and renames it. If
// fill fails nothing is left. If the directory exists the error is fs.ErrExist.
func Make(dir string, fill func(tmp string) error) (err error) {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := errors.Join(os.Chmod(tmp, 0o755), fill(tmp)); err != nil {
		return err
	}
	if err := sync(tmp); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE); err != nil {
		return fmt.Errorf("rename to %s: %w", dir, err)
	}
	return sync(parent)
}

// sync syncs the file system of a directory, which is faster than a sync of each file.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err = unix.Syncfs(int(d.Fd())); err != nil {
		err = fmt.Errorf("sync %s: %w", dir, err)
	}
	return errors.Join(err, d.Close())
}
