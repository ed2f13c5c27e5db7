package builder

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers"
)

// Cache is a build cache: a directory of layers and downloads that concurrent builds may share.
type Cache struct {
	Dir string
}

// CacheEntry is one item of the cache that Prune removes as a whole, such as a layer, a Debian package or a blob of a
// container image.
type CacheEntry struct {
	// Kind is "layer", "package", "image" (a vendor's disk image), "blob" (of a container image), "lists" (of packages),
	// "leftover" (of a killed or failed build), or the name of another directory of the cache.
	Kind string    `json:"kind"`
	Name string    `json:"name"`         // of a layer: as in the plan
	Of   string    `json:"of,omitempty"` // kind of a layer
	Size int64     `json:"size"`         // allocated on the disk, in bytes
	Made time.Time `json:"made"`         // of the last change
	Used time.Time `json:"used"`         // of the last access
	File string    `json:"file"`         // relative to the cache
	more []string  // further files of the entry
}

// lockFile is locked shared by builds, and exclusively by Prune to remove entries that have no lock of their own.
func (c Cache) lockFile() string { return filepath.Join(c.Dir, "lock") }

// use keeps Prune of other processes from removing entries until it is released. A read-only cache is used without a lock.
func (c Cache) use(ctx context.Context) (done func() error, err error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, err
	}
	done, err = atomicfile.RLock(ctx, c.lockFile())
	if readOnly(err) {
		return func() error { return nil }, nil
	}
	return done, err
}

// readOnly reports whether an error means that the directory cannot be written.
func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

func (c Cache) store() layers.Store { return layers.Store{Dir: filepath.Join(c.Dir, "layers")} }

// List returns the layers, downloads and leftovers in the cache, the least recently used first; none if the cache does not
// exist.
func (c Cache) List() ([]CacheEntry, error) {
	dirs, err := os.ReadDir(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := map[string]*CacheEntry{} // by file without extensions
	for _, dir := range dirs {
		if !dir.IsDir() || dir.Name() == "builds" {
			continue
		}
		items, err := os.ReadDir(filepath.Join(c.Dir, dir.Name()))
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if err := c.add(found, dir.Name(), item.Name()); err != nil {
				return nil, err
			}
		}
	}
	var out []CacheEntry
	for _, e := range found {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b CacheEntry) int { return cmp.Or(a.Used.Compare(b.Used), strings.Compare(a.File, b.File)) })
	return out, nil
}

// entryKinds are the kinds of entries by directory.
var entryKinds = map[string]string{
	"layers": "layer", "debs": "package", "images": "image", "blobs": "blob", "apt": "lists", "scratch": "leftover",
}

// add adds a file or directory of the cache to its entry.
func (c Cache) add(found map[string]*CacheEntry, dir, name string) error {
	base, _, _ := strings.Cut(name, ".")
	group := filepath.Join(dir, base)
	kind := cmp.Or(entryKinds[dir], dir)
	switch ext := filepath.Ext(name); {
	case ext == ".lock":
		return nil
	case ext == ".tmp" || ext == ".part":
		group, kind = filepath.Join(dir, name), "leftover"
	case kind == "lists" || kind == "leftover":
		group, base = filepath.Join(dir, name), name
	}
	size, made, used, err := usage(filepath.Join(c.Dir, dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed in the meantime
	}
	if err != nil {
		return err
	}
	e := found[group]
	if e == nil {
		e = &CacheEntry{Kind: kind, Name: base, File: filepath.Join(dir, name), Made: made, Used: used}
		found[group] = e
	} else {
		e.more = append(e.more, filepath.Join(dir, name))
	}
	e.Size += size
	if made.After(e.Made) {
		e.Made = made
	}
	if used.After(e.Used) {
		e.Used = used
	}
	if kind == "layer" && filepath.Ext(name) == ".json" {
		c.describe(e, base)
	}
	return nil
}

// describe adds the record of a layer to its entry.
func (c Cache) describe(e *CacheEntry, base string) {
	key, err := layers.ParseKey(base)
	if err != nil {
		return
	}
	if r, err := c.store().Record(key); err == nil && r.Name != "" {
		e.Name, e.Of, e.Made = r.Name, r.Kind, r.Made
	}
}

// usage returns the allocated size of a file or directory in bytes, and when it was last changed and read.
func usage(name string) (size int64, made, used time.Time, err error) {
	err = filepath.WalkDir(name, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		size += stat.Blocks * 512
		if d.IsDir() {
			return nil // every access below changes its access time
		}
		if info.ModTime().After(made) {
			made = info.ModTime()
		}
		if at := time.Unix(stat.Atim.Unix()); at.After(used) {
			used = at
		}
		return nil
	})
	if made.After(used) {
		used = made
	}
	return size, made, used, err
}
