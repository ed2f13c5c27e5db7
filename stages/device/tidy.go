package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// Tidied is what Tidy deleted.
type Tidied struct {
	Stages []int
	Images []string
	Caches []string // directories of fetched Git repositories and downloads
}

// String lists what was deleted; "" if nothing was.
func (t Tidied) String() string {
	if len(t.Stages)+len(t.Images)+len(t.Caches) == 0 {
		return ""
	}
	return fmt.Sprintf("to keep space free, deleted stages: %v, images: %v, caches: %v", t.Stages, t.Images, t.Caches)
}

// wanted returns how much of a file system Tidy keeps free, in bytes: a tenth, at most 2 GiB.
func wanted(s transfer.Space) int64 { return min(s.Total/10, 2<<30) }

// imagesLock is the file in the store that is locked by commands which add images, so that Tidy and Prune do not remove
// them before the stage that needs them is complete.
const imagesLock = ".images.lock"

// Tidy frees space after the running stage was found good: it deletes stages older than the current one to which
// nothing refers, and images that no stage needs. If less is free than a tenth of the file system, or 2 GiB if that is
// less, it also deletes caches (directories by the home directory that they are in) and then earlier good stages, the
// oldest first. The running, next, current, rollback, fallback and named stages and the target of a queued reset stay.
func (d Device) Tidy(ctx context.Context, space func(path string) (transfer.Space, error), caches map[string]string) (t Tidied, err error) {
	err = d.changeStore(ctx, func(s *store.Store) error {
		unused, proven, err := d.deletable(s)
		if err != nil {
			return err
		}
		if err := t.delete(ctx, d, s, unused...); err != nil {
			return err
		}
		low := func() bool {
			free, e := space(d.Store)
			err = errors.Join(err, e)
			return e == nil && free.Free < wanted(free)
		}
		if e := d.keepImages(ctx, s); !errors.Is(e, docker.ErrUnavailable) {
			err = errors.Join(err, e)
		}
		if low() {
			err = errors.Join(err, t.removeCaches(caches))
		}
		for _, n := range proven {
			if err != nil || !low() {
				break
			}
			err = t.delete(ctx, d, s, n)
		}
		return err
	})
	return t, err
}

// deletable returns the stages older than the current one that can be deleted: those to which nothing refers, and those
// found good earlier, the oldest first.
func (d Device) deletable(s *store.Store) (unused, proven []int, err error) {
	all, err := s.Bundles()
	if err != nil {
		return nil, nil, err
	}
	running, err := d.Running()
	if err != nil {
		return nil, nil, err
	}
	reset, err := d.QueuedReset()
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := d.snapshot()
	if err != nil {
		return nil, nil, err
	}
	staged := s.Staged()
	keep := []int{running, reset.Stage, staged.Next, staged.Current(), staged.Rollback(), stages.Fallback(snapshot, "").Stage}
	for _, n := range staged.Names {
		keep = append(keep, n)
	}
	for _, n := range all {
		switch {
		case slices.Contains(keep, n) || n > staged.Current():
		case slices.Contains(staged.History, n):
			proven = append(proven, n)
		default:
			unused = append(unused, n)
		}
	}
	slices.SortFunc(proven, func(a, b int) int { return slices.Index(staged.History, a) - slices.Index(staged.History, b) })
	return unused, proven, nil
}

// delete deletes stages, and images that no stage needs.
func (t *Tidied) delete(ctx context.Context, d Device, s *store.Store, all ...int) error {
	if _, err := d.note(ctx, all); err != nil {
		return err
	}
	for _, n := range all {
		if err := s.Delete(n); err != nil {
			return err
		}
		t.Stages = append(t.Stages, n)
	}
	p := Pruned{}
	err := p.unneededImages(ctx, d, s)
	t.Images = append(t.Images, p.Images...)
	for _, text := range p.Kept {
		d.warn(errors.New(text))
	}
	return err
}

// keepImages keeps `docker image prune` from removing the images of stages.
func (d Device) keepImages(ctx context.Context, s *store.Store) error {
	all, err := s.Bundles()
	if err != nil {
		return err
	}
	needed, err := images.Needs(ctx, d.Store, all)
	d.warn(err) // what cannot be read has no images to keep
	if len(needed.Pins) == 0 {
		return nil
	}
	return images.Keep(ctx, d.Docker, needed)
}

// removeCaches removes directories below home directories. It follows no symlink out of a home directory, whose owner may
// not be root.
func (t *Tidied) removeCaches(caches map[string]string) (err error) {
	for home, dir := range caches {
		root, e := os.OpenRoot(home)
		if errors.Is(e, fs.ErrNotExist) {
			continue
		}
		if e == nil {
			if _, missing := root.Stat(dir); missing == nil {
				t.Caches = append(t.Caches, filepath.Join(home, dir))
			}
			e = errors.Join(root.RemoveAll(dir), root.Close())
		}
		if e != nil {
			err = errors.Join(err, fmt.Errorf("remove the cache %s: %w", filepath.Join(home, dir), e))
		}
	}
	return err
}

// lockImages keeps Tidy and Prune from removing images until unlock is called.
func (d Device) lockImages(ctx context.Context) (unlock func() error, err error) {
	unlock, err = atomicfile.Lock(ctx, filepath.Join(d.Store, imagesLock))
	return unlock, d.storeError(err)
}
