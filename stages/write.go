package stages

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces a file so that a power cut at any instant leaves the old content or the new one: it writes to a
// temporary name beside it, syncs, renames and syncs the directory. A temporary file that an earlier power cut left is
// overwritten.
func WriteFile(name string, data []byte, mode fs.FileMode) error {
	tmp := name + ".tmp"
	if err := writeSynced(tmp, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", name, errors.Join(err, os.Remove(tmp)))
	}
	if err := os.Rename(tmp, name); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(filepath.Dir(name))
}

func writeSynced(name string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
