package layers

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace makes a file appear under its name only when it is complete and on the disk: it is written to the name with
// ".tmp", synced and renamed. Where write fails nothing is left; what a killed process left is replaced.
func Replace(name string, write func(f *os.File) error) (err error) {
	tmp := name + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
