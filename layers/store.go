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

// Store keeps what layers made, one tar per key, in a directory that several builds may share.
type Store struct {
	Dir    string
	Shared string // of somebody else, where layers are found that Dir lacks; nothing is written to it. Empty: none
}

// Cached is a tree whose contents lie in an open file of the store.
type Cached struct {
	*tree.Tree
	file *os.File
}

// Close ends the use of the tree's contents.
func (c *Cached) Close() error { return c.file.Close() }

// Get opens the layer with a key; fs.ErrNotExist if it has not been made.
func (s Store) Get(key Key) (*Cached, error) {
	f, err := os.Open(s.found(s.path(key)))
	if err != nil {
		return nil, err
	}
	t, err := tree.ReadTar(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("layer %s: %w (delete it to have it made again)", f.Name(), err), f.Close())
	}
	touch(f.Name())
	return &Cached{Tree: t, file: f}, nil
}

// Touch notes that the layer with a key is of use, without reading it; fs.ErrNotExist if it has not been made.
func (s Store) Touch(key Key) error {
	name := s.found(s.path(key))
	_, err := os.Stat(name)
	touch(name)
	return err
}

// touch leaves a hint for pruning, of no other use.
func touch(name string) {
	now := time.Now()
	_ = os.Chtimes(name, now, now)
}

// Put makes the layer with a key unless it is there, and opens it. Of several builds that want the same layer one
// makes it and the others wait; a build that is killed leaves at most a temporary file, which the next one replaces.
// The record is kept beside the layer. The result tells whether the layer was there already.
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

// TryLock keeps other processes from making the layer with a key. It returns atomicfile.ErrLocked if one makes it now.
func (s Store) TryLock(key Key) (unlock func() error, err error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return nil, err
	}
	return atomicfile.TryLock(s.lock(key))
}

// found is where a file of the store lies: in Dir, or, where it is missing there, in Shared.
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
