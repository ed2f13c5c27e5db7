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

// Pruned is what Prune did.
type Pruned struct {
	Removed []CacheEntry `json:"removed"`
	InUse   []CacheEntry `json:"in_use"` // what would have gone but for a build that runs
	Freed   int64        `json:"freed"`  // in bytes
	Left    int64        `json:"left"`   // likewise
}

// Prune removes what builds that were killed left behind, and then, the least recently used first, as much as it takes
// to leave at most a number of bytes; keep < 0 leaves all that is of use. It is safe beside running builds: they go on
// with the layers that they have opened, make others anew, and keep their downloads. With dry nothing is removed.
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
	case !errors.Is(err, atomicfile.ErrLocked): // a build runs
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
			gone, err := c.remove(e, alone, dry)
			if err != nil {
				return nil, err
			}
			p.count(e, gone)
		}
	}
	if alone && !dry {
		return p, c.removeLocks()
	}
	return p, nil
}

func (p *Pruned) count(e CacheEntry, gone bool) {
	if !gone {
		p.InUse = append(p.InUse, e)
		return
	}
	p.Removed = append(p.Removed, e)
	p.Freed += e.Size
	p.Left -= e.Size
}

// remove removes an entry unless somebody uses it, and tells whether it did.
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
		defer func() { _ = unlock() }() // of a file that is only read
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

// removeLocks removes the lock files of layers, which nobody holds while this process has the cache for itself.
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
