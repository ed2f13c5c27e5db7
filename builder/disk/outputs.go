package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// outputs are files that appear under their names together, when all are complete. The first is the disk image; the
// others describe it.
type outputs struct {
	names []string
	files []*atomicfile.Pending
	err   error // the first
}

func (o *outputs) create(ctx context.Context, name string) *os.File {
	if o.err != nil {
		return nil
	}
	f, err := atomicfile.Create(ctx, name)
	if err != nil {
		o.err = err
		return nil
	}
	o.names, o.files = append(o.names, name), append(o.files, f)
	return f.File
}

// commit puts all files in place. Side files are removed first and renamed last, so that they never describe another
// image than the one beside them.
func (o *outputs) commit() error {
	for _, f := range o.files {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	for _, name := range o.names[1:] {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, f := range o.files {
		if err := f.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// close closes all files, and removes those that were not committed.
func (o *outputs) close() error {
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
