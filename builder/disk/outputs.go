package disk

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// outputs are files that get their names together, when all are complete. Until then they have ".tmp" behind them.
type outputs struct {
	names []string
	files []*os.File
	err   error // the first
}

func (o *outputs) create(name string) *os.File {
	if o.err != nil {
		return nil
	}
	f, err := atomicfile.CreateAlone(name + ".tmp")
	if err != nil {
		o.err = err
		return nil
	}
	o.names, o.files = append(o.names, name), append(o.files, f)
	return f
}

// commit puts all on the disk and in their places. What tells of the first file goes before and comes after it: at no
// time does it tell of another one.
func (o *outputs) commit() error {
	for _, f := range o.files {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	for _, name := range o.names[1:] {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for len(o.names) > 0 {
		name := o.names[0]
		if err := os.Rename(name+".tmp", name); err != nil {
			return err
		}
		o.names = o.names[1:]
		if err := syncDir(filepath.Dir(name)); err != nil {
			return err
		}
	}
	return nil
}

// close ends the use of all files, and removes those that have no name yet.
func (o *outputs) close() error {
	var errs []error
	for _, name := range o.names {
		errs = append(errs, os.Remove(name+".tmp"))
	}
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
