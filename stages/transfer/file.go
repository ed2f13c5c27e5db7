package transfer

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteFile replaces a file, which is there only when it is complete and on the disk. It sets no permissions, which FAT
// refuses.
func WriteFile(name string, fill func(*os.File) error) (err error) {
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, name); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
