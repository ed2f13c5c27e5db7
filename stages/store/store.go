package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
)

// lockFile is locked while the store is changed.
const lockFile = ".lock"

// tmpSuffix is the suffix of incomplete files.
const tmpSuffix = ".tmp"

// Store is an open stage store: a directory of numbered bundles, and the file that says which is next. The process
// holds the store's lock until Close.
type Store struct {
	sys    System
	unlock func() error
	files  stages.Files
}

// Open waits for the lock of a store, deletes files that killed commands left, and reads the store's files. Open takes
// ownership of sys: Close closes it, and so does Open if it fails.
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

// Close releases the lock of the store and closes its System.
func (s *Store) Close() error { return errors.Join(s.unlock(), s.sys.Close()) }

// Staged returns the store's references to stages: the next one, the history and the names.
func (s *Store) Staged() stages.Staged { return s.files.Store.Staged }

// Bundles returns the numbers of all bundles in the store, including incomplete ones, in ascending order.
func (s *Store) Bundles() ([]int, error) { return Bundles(s.sys) }

// SetNext sets the next stage, 0 for none, and resets its attempts. It fails if the bundle is incomplete, or differs from
// its digests.
func (s *Store) SetNext(stage int) error {
	if stage != 0 {
		if err := s.checkContent(stage); err != nil {
			return fmt.Errorf("stage %d cannot be next: %w", stage, err)
		}
	}
	return s.write(s.files.SetNext(stage))
}

// checkContent reads the whole bundle of a stage and returns an error if it is incomplete or damaged.
func (s *Store) checkContent(stage int) error {
	if err := stages.CheckBundle(readFS{s.sys}, stage); err != nil {
		return err
	}
	damage, err := Damage(readFS{s.sys}, stage)
	if err == nil && damage != "" {
		err = fmt.Errorf("bundle is damaged: %s", damage)
	}
	return err
}

// MarkDamaged durably records the damage to a stage's files, so that boots prefer other stages; "" removes the record. It
// does not check that the stage exists.
func (s *Store) MarkDamaged(stage int, damage string) error {
	if s.files.State.Stages[stage].Damaged == damage {
		return nil
	}
	return s.write(s.files.Damaged(stage, damage))
}

// Judge durably records a verdict on a stage, good or failed, with its reasons, and resets its attempts. A good verdict also
// moves the stage to the end of the history, as the current stage. Judge does not check that the stage exists.
func (s *Store) Judge(stage int, result stages.Result, at time.Time, reasons ...string) error {
	return s.write(s.files.Judge(stage, result, at, reasons...))
}

// Name durably gives a name to a stage. If another stage has the name, the name moves. It fails if the stage's bundle is
// missing or incomplete, or if the name is invalid, such as a number.
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

// RemoveName removes a name of a stage. It fails if no stage has that name.
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
		return fmt.Errorf("%w (to start with an empty store, which keeps the bundles, move %s away)", err, stages.StoreFile)
	}
	return err
}

// write replaces files in order and then updates s.files.
func (s *Store) write(next stages.Files, writes []stages.Write, err error) error {
	if err != nil {
		return err
	}
	for _, w := range writes {
		if err := s.sys.WriteFile(w.Name, w.Data, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", w.Name, err)
		}
	}
	s.files = next
	return nil
}

// bundleDir returns the name of the directory of a stage's bundle.
func bundleDir(stage int) string { return strconv.Itoa(stage) }

// readFS implements fs.ReadDirFS with a System.
type readFS struct{ sys System }

func (r readFS) Open(name string) (fs.File, error) { return r.sys.Open(name) }

func (r readFS) ReadDir(name string) ([]fs.DirEntry, error) { return r.sys.ReadDir(name) }

// Lstat implements fs.ReadLinkFS, so that a symlink is not taken for the bundle that it leads to.
func (r readFS) Lstat(name string) (fs.FileInfo, error) {
	entries, err := r.sys.ReadDir(path.Dir(name))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() == path.Base(name) {
			return e.Info()
		}
	}
	return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
}

// ReadLink implements fs.ReadLinkFS.
func (r readFS) ReadLink(name string) (string, error) { return r.sys.Readlink(name) }
