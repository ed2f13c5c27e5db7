package layers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/internal/ctxio"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Store is a cache of layers, one tar archive per key, in a directory that concurrent builds may share.
type Store struct {
	Dir    string
	Shared string // a second cache for layers that Dir lacks, which is only read; "" for none
}

// Cached is a layer from the cache: its tree, whose file contents are in an open archive.
type Cached struct {
	*tree.Tree
	file *os.File
}

// Close closes the archive from which the file contents of the cached layer are read.
func (c *Cached) Close() error { return c.file.Close() }

// Get opens a cached layer by its key, and marks it as used now. The caller closes it. The error is fs.ErrNotExist if
// neither s.Dir nor s.Shared has the layer; for a damaged layer it names the file to delete.
func (s Store) Get(key Key) (*Cached, error) {
	f, err := os.Open(s.found(s.path(key)))
	if err != nil {
		return nil, err
	}
	t, err := tree.ReadTar(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("layer %s: %w (delete it to build it again)", f.Name(), err), f.Close())
	}
	touch(f.Name())
	return &Cached{Tree: t, file: f}, nil
}

// Touch marks a cached layer as used now, for pruning by last use. It returns fs.ErrNotExist if the layer is not
// cached.
func (s Store) Touch(key Key) error {
	name := s.found(s.path(key))
	_, err := os.Stat(name)
	touch(name)
	return err
}

// touch sets the times of a file to now. Errors are ignored: pruning only uses them as a hint.
func touch(name string) {
	now := time.Now()
	_ = os.Chtimes(name, now, now)
}

// Put opens the layer with a key. If the layer is not cached, Put first calls make and caches the result with the record r;
// modification times after latest become latest. hit reports whether the layer was cached before. Of concurrent builds, one
// makes the layer and the others wait. A killed build leaves at most a temporary file, which the next one replaces.
func (s Store) Put(ctx context.Context, key Key, r Record, latest time.Time, make func(context.Context) (*tree.Tree, error)) (c *Cached, hit bool, err error) {
	if c, err = s.Get(key); !errors.Is(err, fs.ErrNotExist) {
		return c, err == nil, err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return nil, false, err
	}
	unlock, err := atomicfile.Lock(ctx, s.lock(key))
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if c, err = s.Get(key); !errors.Is(err, fs.ErrNotExist) {
		return c, err == nil, err
	}
	t, err := make(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := s.write(ctx, key, t, latest); err != nil {
		return nil, false, err
	}
	if err := s.writeRecord(key, r); err != nil {
		return nil, false, err
	}
	c, err = s.Get(key)
	return c, false, err
}

func (s Store) path(key Key) string { return filepath.Join(s.Dir, key.String()+".tar") }

// TryLock takes the lock of a key, so that no other process makes that layer meanwhile. It returns atomicfile.ErrLocked
// if a process is making it.
func (s Store) TryLock(key Key) (unlock func() error, err error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return nil, err
	}
	return atomicfile.TryLock(s.lock(key))
}

// found returns the path of a file of the store: in Dir, or in Shared if Dir lacks it.
func (s Store) found(name string) string {
	if s.Shared == "" {
		return name
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(s.Shared, filepath.Base(name))
	}
	return name
}

func (s Store) lock(key Key) string { return s.path(key) + ".lock" }

func (s Store) write(ctx context.Context, key Key, t *tree.Tree, latest time.Time) error {
	err := atomicfile.Replace(ctx, s.path(key), func(f *os.File) error {
		w := bufio.NewWriterSize(ctxio.Writer(ctx, f), 1<<20)
		if err := t.WriteTar(w, latest); err != nil {
			return err
		}
		return w.Flush()
	})
	if err != nil {
		return fmt.Errorf("write layer %s: %w", s.path(key), err)
	}
	return nil
}
