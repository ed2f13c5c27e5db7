package device

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// Remove deletes a stage, given by number, name or role, with its names, and returns its number. It refuses to delete
// the running stage, the target of a queued reset, and those that the next boot may start; the factory stage needs
// force. Container images stay until Prune or Tidy deletes them.
func (d Device) Remove(ctx context.Context, name string, force bool) (n int, err error) {
	err = d.changeStore(ctx, func(s *store.Store) error {
		if n, err = d.resolveIn(s, name); err != nil {
			return err
		}
		if err := d.removable(n, force); err != nil {
			return err
		}
		if _, err := d.note(ctx, []int{n}); err != nil {
			return err
		}
		return s.Delete(n)
	})
	return n, err
}

// removable returns why a stage must stay; nil if it can go.
func (d Device) removable(stage int, force bool) error {
	running, err := d.Running()
	if err != nil {
		return err
	}
	reset, err := d.QueuedReset()
	if err != nil {
		return err
	}
	snapshot, err := d.snapshot()
	if err != nil {
		return err
	}
	switch stage {
	case running:
		return fmt.Errorf("stage %d is running: start another one first", stage)
	case reset.Stage:
		return fmt.Errorf("stage %d is the one that the device is reset to at the next boot: cancel that with pkctl reset --cancel", stage)
	case stages.Select(snapshot).Stage:
		return fmt.Errorf("stage %d is started by the next boot: choose another one with pkctl stage set-next first", stage)
	case stages.Fallback(snapshot, "").Stage:
		return fmt.Errorf("stage %d is the fallback stage: it cannot be removed until another stage is marked good", stage)
	}
	if stage == snapshot.Staged.Names[stages.FactoryName] && !force {
		return fmt.Errorf("stage %d is %s, which the device came with and pkctl reset goes back to: --force deletes it", stage, stages.FactoryName)
	}
	return nil
}

// note adds to the record the images of stages that are about to be deleted, and returns the record. Images of a bundle
// that cannot be read were noted by whoever could.
func (d Device) note(ctx context.Context, stages []int) (images.Record, error) {
	record, err := d.record()
	if err != nil {
		return record, err
	}
	needed, err := images.Needs(ctx, d.Store, stages)
	d.warn(err)
	entries := needed.Entries()
	if len(entries) == 0 {
		return record, nil
	}
	record = record.With(entries...)
	return record, record.Write(d.Store)
}

// Pruned is the result of Prune: the deleted stages and images, and why other images stay.
type Pruned struct {
	Removed []int    `json:"removed"` // stages
	Images  []string `json:"images"`
	Kept    []string `json:"kept"` // why images stay, in words
	DryRun  bool     `json:"dry_run"`
}

// Prune deletes the stages that are neither next, in the history, named, running nor the target of a queued reset, and
// then the container images that only they needed. With dryRun it changes nothing. If Docker cannot be reached, the
// images are left to a later prune. The result lists what was deleted even if there is an error.
func (d Device) Prune(ctx context.Context, dryRun bool) (p Pruned, err error) {
	p = Pruned{Removed: []int{}, Images: []string{}, Kept: []string{}, DryRun: dryRun}
	running, err := d.Running()
	if err != nil {
		return p, err
	}
	err = d.changeStore(ctx, func(s *store.Store) error {
		reset, err := d.QueuedReset()
		if err != nil {
			return err
		}
		return p.prune(ctx, d, s, []int{running, reset.Stage})
	})
	return p, err
}

func (p *Pruned) prune(ctx context.Context, d Device, s *store.Store, except []int) error {
	drop, err := s.Prunable(except...)
	if err != nil {
		return err
	}
	if p.DryRun {
		return p.plan(ctx, d, s, drop)
	}
	if _, err := d.note(ctx, drop); err != nil {
		return err
	}
	removed, err := s.Prune(except...)
	p.Removed = append(p.Removed, removed...)
	if err != nil {
		return err
	}
	return p.unneededImages(ctx, d, s)
}

// plan lists what a prune would delete.
func (p *Pruned) plan(ctx context.Context, d Device, s *store.Store, drop []int) error {
	p.Removed = append(p.Removed, drop...)
	all, err := s.Bundles()
	if err != nil {
		return err
	}
	needed, unread := images.Needs(ctx, d.Store, slices.DeleteFunc(all, func(n int) bool { return slices.Contains(drop, n) }))
	unneeded, err := images.Needs(ctx, d.Store, drop)
	d.warn(err)
	record, err := d.record()
	if err != nil {
		return err
	}
	record = record.With(unneeded.Entries()...)
	return p.removeImages(record, needed, unread, func() error {
		if _, err := d.Docker.Host(ctx); err != nil {
			return err
		}
		for _, k := range record.Unneeded(needed) {
			if _, err := images.Find(ctx, d.Docker, record, k.Pins(), k.Name); err == nil {
				p.Images = append(p.Images, k.Name)
			}
		}
		return nil
	})
}

// unneededImages removes the images that no stage of the store needs.
func (p *Pruned) unneededImages(ctx context.Context, d Device, s *store.Store) error {
	all, err := s.Bundles()
	if err != nil {
		return err
	}
	needed, unread := images.Needs(ctx, d.Store, all)
	record, err := d.record()
	if err != nil {
		return err
	}
	return p.removeImages(record, needed, unread, func() error {
		unlock, err := atomicfile.TryLock(filepath.Join(d.Store, imagesLock))
		if err != nil {
			return err
		}
		if _, err := d.Docker.Host(ctx); err != nil {
			return errors.Join(err, unlock())
		}
		done, err := images.Prune(ctx, d.Docker, record, needed)
		p.Images, p.Kept = append(p.Images, done.Removed...), append(p.Kept, done.Kept...)
		return errors.Join(err, done.Record.Write(d.Store), unlock())
	})
}

// removeImages calls remove if images of a record are not needed. Where that is not known or not possible now, they stay
// until a later prune.
func (p *Pruned) removeImages(record images.Record, needed images.Needed, unread error, remove func() error) error {
	if len(record.Unneeded(needed)) == 0 {
		return nil
	}
	if unread != nil {
		p.Kept = append(p.Kept, fmt.Sprintf("images stay: %v", unread))
		return nil
	}
	err := remove()
	switch {
	case errors.Is(err, docker.ErrUnavailable):
		p.Kept = append(p.Kept, fmt.Sprintf("images stay until the next prune: %v", err))
	case errors.Is(err, atomicfile.ErrLocked):
		p.Kept = append(p.Kept, "images stay until the next prune: another command adds images")
	default:
		return err
	}
	return nil
}
