package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Reset durably queues a factory reset for the next boot, to the stage that to names, and returns it. r says whether
// overrides and containers are removed. It fails if the stage does not exist or its bundle is incomplete. It holds the
// lock of the stage store meanwhile, so that the stage is not removed.
func (d Device) Reset(ctx context.Context, to string, r override.Reset) (override.Reset, error) {
	err := d.changeStore(ctx, func(s *store.Store) (err error) {
		if r.Stage, err = d.resolveIn(s, to); err != nil {
			return err
		}
		if err := stages.CheckBundle(os.DirFS(d.Store), r.Stage); err != nil {
			return fmt.Errorf("stage %d cannot be reset to: %w", r.Stage, err)
		}
		return d.changeState(ctx, func() error { return d.write(override.ResetFile, r) })
	})
	return r, err
}

// CancelReset removes the queued factory reset, even if it cannot be read, and reports whether there was one.
func (d Device) CancelReset(ctx context.Context) (queued bool, err error) {
	err = d.changeState(ctx, func() error {
		err := atomicfile.Remove(filepath.Join(d.State, override.ResetFile))
		queued = err == nil
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return queued, err
}

// Purge completes a queued factory reset with the part that needs Docker, after pkinit has done its own; without such a
// reset it does nothing. It calls purge with the names of the Compose apps of all stages, and whether everything that
// belongs to the owner must go, then removes the queued reset, unless another one was queued meanwhile. If it fails or
// is interrupted, the reset stays queued.
func (d Device) Purge(ctx context.Context, purge func(apps []string, all bool) error) error {
	reset, err := d.QueuedReset()
	if err != nil || !pending(reset) {
		return err
	}
	if err := purge(d.apps(ctx), reset.HandOver); err != nil {
		return err
	}
	return d.changeState(context.WithoutCancel(ctx), func() error {
		if reset, err := d.QueuedReset(); err != nil || !pending(reset) {
			return err
		}
		return atomicfile.Remove(filepath.Join(d.State, override.ResetFile))
	})
}

// pending reports whether pkinit has done its part of a reset, and Docker's is left.
func pending(r override.Reset) bool { return r.Containers && r.Stage == 0 }

// apps returns the names of the Compose apps of all stages that can be read.
func (d Device) apps(ctx context.Context) []string {
	all, err := d.Numbers()
	d.warn(err)
	var names []string
	for _, n := range all {
		apps, err := apply.Apps(ctx, d.bundle(n))
		d.warn(err)
		for _, app := range apps {
			names = append(names, app.Project)
		}
	}
	return names
}
