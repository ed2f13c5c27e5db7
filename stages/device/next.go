package device

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	pkimages "github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// None is the name for no stage as the next one.
const None = "none"

// SetNext makes a stage, given by number, name, role or None, the next one and returns its number, 0 for None. It first
// pulls the container images that the stage lacks, unless noFetch is set. If that fails, or the bundle is incomplete or
// damaged, the next stage is not changed.
func (d Device) SetNext(ctx context.Context, name string, noFetch bool) (int, error) {
	if name == None {
		return 0, d.changeStore(ctx, func(s *store.Store) error { return s.SetNext(0) })
	}
	n, err := d.Resolve(name)
	if err != nil {
		return 0, err
	}
	if err := stages.CheckBundle(os.DirFS(d.Store), n); err != nil {
		return 0, fmt.Errorf("stage %d cannot be next: %w", n, err)
	}
	var pins pkimages.Pins
	if !noFetch {
		if pins, err = d.fetch(ctx, n); err != nil {
			return 0, fmt.Errorf("stage %d was not made next: %w", n, err)
		}
	}
	return n, d.changeStore(ctx, func(s *store.Store) error {
		if err := images.WritePins(d.bundle(n), pins); err != nil {
			return fmt.Errorf("stage %d was not made next: %w", n, err)
		}
		return s.SetNext(n)
	})
}

// Rollback makes the previous good stage, the one before the current one, the next stage and returns its number. It
// fails if there is none. It pulls no image, since Prune keeps those of this stage.
func (d Device) Rollback(ctx context.Context) (n int, err error) {
	err = d.changeStore(ctx, func(s *store.Store) error {
		if n, err = d.resolveIn(s, stages.RollbackName); err != nil {
			return err
		}
		return s.SetNext(n)
	})
	return n, err
}

// FetchImages pulls the container images that a stage lacks, and records (pins) the ID of each of its images. It fails,
// and records nothing, if an image cannot be pulled or has damaged layers.
func (d Device) FetchImages(ctx context.Context, stage int) error {
	pins, err := d.fetch(ctx, stage)
	if err != nil {
		return err
	}
	return d.changeStore(ctx, func(*store.Store) error { return images.WritePins(d.bundle(stage), pins) })
}

// PinImages records the IDs of a stage's container images by what their names mean now, if the stage has no record, as
// one that another tool staged. It fails and records nothing if an image is missing.
func (d Device) PinImages(ctx context.Context, stage int) error {
	names, err := images.OfStage(ctx, d.Store, stage)
	if err != nil || len(names) == 0 {
		return err
	}
	pins, err := images.ReadPins(d.bundle(stage))
	if err != nil || len(pins.Images) > 0 {
		return err
	}
	record, err := d.record()
	if err != nil {
		return err
	}
	if pins, err = images.Pin(ctx, d.Docker, record, pins, names); err != nil {
		return fmt.Errorf("record the images of stage %d: %w", stage, err)
	}
	return d.changeStore(ctx, func(*store.Store) error { return images.WritePins(d.bundle(stage), pins) })
}

// fetch pulls the missing images of a stage, and returns pins of all. The error says how to go on.
func (d Device) fetch(ctx context.Context, stage int) (pins pkimages.Pins, err error) {
	names, err := images.OfStage(ctx, d.Store, stage)
	if err == nil {
		pins, err = images.ReadPins(d.bundle(stage))
	}
	if err != nil {
		return pins, fmt.Errorf("%w\n(to make it next nevertheless: pkctl stage set-next %d --no-fetch)", err, stage)
	}
	record, err := d.record()
	if err != nil {
		return pins, err
	}
	event := d.OnFetch
	if event == nil {
		event = func(images.Event) {}
	}
	unlock, err := d.lockImages(ctx)
	if err != nil {
		return pins, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	pins, err = images.Fetcher{Docker: d.Docker, Notify: event, Wait: 3 * time.Second, Check: d.checkPullSpace}.Fetch(ctx, record, pins, names)
	if err == nil {
		return pins, d.refuseDamaged(ctx, stage)
	}
	if ctx.Err() != nil {
		return pins, err
	}
	if damaged := d.refuseDamaged(ctx, stage); damaged != nil {
		return pins, errors.Join(err, damaged)
	}
	first := "once there is a network"
	if errors.Is(err, errSpace) {
		first = "once there is space"
	}
	if errors.Is(err, docker.ErrUnavailable) {
		first = "install or start Docker (systemctl start docker), then"
	}
	return pins, fmt.Errorf("%w\n(%s: pkctl stage set-next %d; without a network: pkctl stage import; to make it next nevertheless: "+
		"pkctl stage set-next %d --no-fetch)", err, first, stage, stage)
}

// Name gives a name to a stage, which protects it from being pruned, and returns the stage's number. If another stage
// has the name, the name moves. It fails for a number, the name of a role, and a stage that is missing or incomplete.
func (d Device) Name(ctx context.Context, name, stage string) (n int, err error) {
	err = d.changeStore(ctx, func(s *store.Store) error {
		if n, err = d.resolveIn(s, stage); err != nil {
			return err
		}
		return s.Name(name, n)
	})
	return n, err
}

// Unname removes a name from the stage that has it, and fails if no stage has it. The stage itself stays, but prune may
// delete it.
func (d Device) Unname(ctx context.Context, name string) error {
	return d.changeStore(ctx, func(s *store.Store) error { return s.RemoveName(name) })
}
