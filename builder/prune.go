package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers"
)

// Pruned lists the cache entries that Prune removed and those that it kept because of a running build, and says how many
// bytes it freed and left. After a dry run it says what Prune would do.
type Pruned struct {
	Removed []CacheEntry `json:"removed"`
	InUse   []CacheEntry `json:"in_use"` // not removed because of a running build
	Freed   int64        `json:"freed"`  // in bytes
	Left    int64        `json:"left"`   // likewise
}

// Prune removes leftovers of killed builds and then the least recently used entries, until the entries in the cache have
// at most keep bytes; keep < 0 removes leftovers only. It is safe beside running builds: it leaves them all downloads and
// the layers that they use, and they rebuild other layers. A dry run removes nothing, but returns what Prune would remove.
func (c Cache) Prune(ctx context.Context, keep int64, dry bool) (p *Pruned, err error) {
	p = &Pruned{Removed: []CacheEntry{}, InUse: []CacheEntry{}}
	if _, err := os.Stat(c.Dir); errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	unlock, err := atomicfile.TryLock(c.lockFile())
	alone := err == nil
	switch {
	case alone:
		defer func() { err = errors.Join(err, unlock()) }()
	case !errors.Is(err, atomicfile.ErrLocked): // a build is running
		return nil, err
	}
	entries, err := c.List()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		p.Left += e.Size
	}
	for _, leftover := range []bool{true, false} {
		for _, e := range entries {
			if (e.Kind == "leftover") != leftover || !leftover && (keep < 0 || p.Left <= keep) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			removed, err := c.remove(e, alone, dry)
			if err != nil {
				return nil, err
			}
			p.count(e, removed)
		}
	}
	if alone && !dry {
		return p, c.removeLocks()
	}
	return p, nil
}

func (p *Pruned) count(e CacheEntry, removed bool) {
	if !removed {
		p.InUse = append(p.InUse, e)
		return
	}
	p.Removed = append(p.Removed, e)
	p.Freed += e.Size
	p.Left -= e.Size
}

// remove removes an entry unless it is in use, and reports whether it did.
func (c Cache) remove(e CacheEntry, alone, dry bool) (bool, error) {
	key, err := layers.ParseKey(strings.SplitN(filepath.Base(e.File), ".", 2)[0])
	dir := filepath.Dir(e.File)
	layer := err == nil && (dir == "layers" || dir == "scratch")
	if !layer && !alone {
		return false, nil
	}
	if layer {
		unlock, err := c.store().TryLock(key)
		if errors.Is(err, atomicfile.ErrLocked) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer func() { _ = unlock() }() // the lock file is only read
	}
	if dry {
		return true, nil
	}
	var errs []error
	for _, file := range append([]string{e.File}, e.more...) {
		errs = append(errs, os.RemoveAll(filepath.Join(c.Dir, file)))
	}
	return true, errors.Join(errs...)
}

// removeLocks removes the lock files of layers. The cache must be locked exclusively.
func (c Cache) removeLocks() error {
	names, err := filepath.Glob(filepath.Join(c.store().Dir, "*.lock"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
