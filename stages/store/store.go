package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
)

// lockFile is locked by whoever changes the store.
const lockFile = ".lock"

// tmpSuffix ends the names of files that are not complete.
const tmpSuffix = ".tmp"

// Store is a stage store that nobody else changes until it is closed.
type Store struct {
	sys    System
	unlock func() error
	files  stages.Files
}

// Open locks a store for changes, waiting for whoever does so already, deletes what an earlier command that was ended
// left behind, and reads it. A directory without a store file is an empty store; one with a broken store file is an
// error, since a change would lose what it says. A broken state file is as good as none: it counts attempts. The system
// is closed with the store, and where it cannot be opened.
func Open(ctx context.Context, sys System) (*Store, error) {
	unlock, err := sys.Lock(ctx, lockFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the stage store: %w", err), sys.Close())
	}
	s := &Store{sys: sys, unlock: unlock}
	if err := errors.Join(s.sweep(), s.read()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close lets others change the store.
func (s *Store) Close() error { return errors.Join(s.unlock(), s.sys.Close()) }

// Staged says which bundles are in use.
func (s *Store) Staged() stages.Staged { return s.files.Store.Staged }

// Bundles are the numbers of all bundles, in ascending order.
func (s *Store) Bundles() ([]int, error) { return Bundles(s.sys) }

// SetNext makes a stage the one to start with next, with all its attempts ahead; 0 for none.
func (s *Store) SetNext(stage int) error {
	if stage != 0 {
		if err := stages.CheckBundle(readFS{s.sys}, stage); err != nil {
			return fmt.Errorf("stage %d cannot be next: %w", stage, err)
		}
	}
	return s.write(s.files.SetNext(stage))
}

// Judge records a verdict on a stage, and its reasons.
func (s *Store) Judge(stage int, result stages.Result, at time.Time, reasons ...string) error {
	return s.write(s.files.Judge(stage, result, at, reasons...))
}

// Name gives a name to a stage, taking it from another one that bears it.
func (s *Store) Name(name string, stage int) error {
	if err := stages.CheckBundle(readFS{s.sys}, stage); err != nil {
		return fmt.Errorf("stage %d cannot be named: %w", stage, err)
	}
	staged, err := s.files.Store.Staged.WithName(name, stage)
	if err != nil {
		return err
	}
	return s.write(s.files.Restage(staged))
}

// RemoveName takes a name away.
func (s *Store) RemoveName(name string) error {
	staged, err := s.files.Store.Staged.WithoutName(name)
	if err != nil {
		return err
	}
	return s.write(s.files.Restage(staged))
}

func (s *Store) read() (err error) {
	s.files, err = stages.ReadFiles(readFS{s.sys})
	if unreadable := (*fs.PathError)(nil); err != nil && !errors.As(err, &unreadable) {
		return fmt.Errorf("%w (move %s away to begin with an empty store: bundles stay)", err, stages.StoreFile)
	}
	return err
}

// write replaces files, in this order, and remembers what they hold then.
func (s *Store) write(next stages.Files, writes []stages.Write, err error) error {
	if err != nil {
		return err
	}
	for _, w := range writes {
		if err := s.replace(w.Name, w.Data); err != nil {
			return fmt.Errorf("write %s: %w", w.Name, err)
		}
	}
	s.files = next
	return nil
}

// replace writes a file so that at any instant the old content or the new one is there.
func (s *Store) replace(name string, data []byte) error {
	tmp := name + tmpSuffix
	if err := create(s.sys, tmp, 0o644, bytes.NewReader(data), true); err != nil {
		return errors.Join(err, s.discard(tmp))
	}
	if err := s.sys.Rename(tmp, name); err != nil {
		return errors.Join(err, s.discard(tmp))
	}
	return s.sys.SyncDir(".")
}

// bundleDir is the directory of a stage's bundle.
func bundleDir(stage int) string { return strconv.Itoa(stage) }

// readFS is a System to read from.
type readFS struct{ sys System }

func (r readFS) Open(name string) (fs.File, error) { return r.sys.Open(name) }

func (r readFS) ReadDir(name string) ([]fs.DirEntry, error) { return r.sys.ReadDir(name) }
