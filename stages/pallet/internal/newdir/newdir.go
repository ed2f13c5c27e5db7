// Package newdir makes directories that are either whole or not there.
package newdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// prefix begins the names of directories that are not whole.
const prefix = ".new-"

// Make makes a directory appear under its name once fill has filled it and all of it is on the disk. Until then it has
// a name of its own in the same directory, where nothing is left if it fails. That there is such a directory already is
// fs.ErrExist.
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

// sync puts all of a directory's file system on the disk, which is faster than file after file.
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
