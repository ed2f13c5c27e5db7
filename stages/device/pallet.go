package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	pkimages "github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Stage adds a pallet's bundle to the stage store, pulls its container images unless noFetch is set, makes it the next
// stage, and returns its number. If follow is not empty, upgrades follow that pallet from now on. If pulling fails, the
// stage stays in the store but does not become next. The store is not locked while images are pulled.
func (d Device) Stage(ctx context.Context, b *pallet.Bundle, follow Followed, noFetch bool) (n int, err error) {
	err = d.addToStore(ctx, func(s *store.Store) error {
		n, err = s.Add(ctx, b.Manifest, func(to *store.Writer) error { return fill(to, b.Files) })
		return err
	})
	if err != nil {
		return 0, err
	}
	var pins pkimages.Pins
	if !noFetch {
		if pins, err = d.fetch(ctx, n); err != nil {
			return n, fmt.Errorf("pallet was staged as stage %d, but not made next: %w", n, err)
		}
	}
	return n, d.changeStore(ctx, func(s *store.Store) error {
		if err := images.WritePins(d.bundle(n), pins); err != nil {
			return fmt.Errorf("pallet was staged as stage %d, but not made next: %w", n, err)
		}
		if err := s.SetNext(n); err != nil || follow == (Followed{}) {
			return err
		}
		return follow.write(d.Store)
	})
}

// fill writes the files of a bundle.
func fill(to *store.Writer, files []pallet.File) error {
	for _, f := range files {
		if err := fillFile(to, f); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

func fillFile(to *store.Writer, f pallet.File) error {
	switch f.Mode.Type() {
	case fs.ModeDir:
		return to.Dir(f.Path, f.Mode)
	case fs.ModeSymlink:
		return to.Symlink(f.Path, f.Target)
	}
	content, err := f.Open()
	if err != nil {
		return err
	}
	return errors.Join(to.File(f.Path, f.Mode, content), content.Close())
}
