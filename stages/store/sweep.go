package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Names that begin with one of these belong to nobody.
const (
	newPrefix = ".new-" // a bundle that is being filled
	oldPrefix = ".old-" // a bundle that is being deleted
)

// swapFile is where Forklift writes its store file to; one that is left behind would stop it from ever writing again.
const swapFile = "forklift-stage-store-swap.yml"

// sweep deletes what commands left behind that were ended: ours, and Forklift's.
func (s *Store) sweep() error {
	entries, err := s.sys.ReadDir(".")
	if err != nil {
		return fmt.Errorf("read the stage store's directory: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if leftover(e.Name()) {
			errs = append(errs, s.discard(e.Name()))
		}
	}
	return errors.Join(errs...)
}

func leftover(name string) bool {
	return strings.HasPrefix(name, newPrefix) || strings.HasPrefix(name, oldPrefix) || strings.HasSuffix(name, tmpSuffix) ||
		name == swapFile
}

// discard deletes a file or a directory with all that is in it, if it is there.
func (s *Store) discard(name string) error {
	entries, err := s.sys.ReadDir(name)
	if err == nil {
		for _, e := range entries {
			if err := s.discard(path.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := s.sys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// Delete removes a stage: from the store first, so that nothing refers to a bundle that is only partly there.
func (s *Store) Delete(stage int) error {
	all, err := s.Bundles()
	if err != nil {
		return err
	}
	if !slices.Contains(all, stage) {
		return fmt.Errorf("there is no stage %d", stage)
	}
	if slices.Contains(s.files.Store.Staged.References(), stage) {
		if err := s.write(s.files.Restage(s.files.Store.Staged.WithoutStage(stage))); err != nil {
			return err
		}
	}
	old := oldPrefix + strconv.Itoa(stage)
	if err := errors.Join(s.sys.Rename(bundleDir(stage), old), s.sys.SyncDir(".")); err != nil {
		return fmt.Errorf("delete stage %d: %w", stage, err)
	}
	if _, known := s.files.State.Stages[stage]; known {
		if err := s.write(s.files.Forget(stage)); err != nil {
			return err
		}
	}
	return s.discard(old)
}

// Prunable are the stages that nothing refers to, except some: the one that the device runs at the moment is the caller's
// to name. What could be booted is not among them: the next stage, the history, and whatever has a name.
func (s *Store) Prunable(except ...int) ([]int, error) {
	all, err := s.Bundles()
	keep := append(s.files.Store.Staged.References(), except...)
	return slices.DeleteFunc(all, func(n int) bool { return slices.Contains(keep, n) }), err
}

// Prune removes the stages that are prunable, and returns those that it removed.
func (s *Store) Prune(except ...int) (removed []int, err error) {
	all, err := s.Prunable(except...)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if err := s.Delete(n); err != nil {
			return removed, err
		}
		removed = append(removed, n)
	}
	return removed, nil
}

// Bundles are the numbers of the bundles that a store's directory holds, complete or not, in ascending order.
func Bundles(sys System) ([]int, error) {
	entries, err := sys.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("read the stage store's directory: %w", err)
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && e.IsDir() && bundleDir(n) == e.Name() {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// fresh is a number that no stage has or had as far as the store knows.
func (s *Store) fresh() (int, error) {
	used, err := s.Bundles()
	if err != nil {
		return 0, err
	}
	used = append(used, s.files.Store.Staged.References()...)
	for n := range s.files.State.Stages {
		used = append(used, n)
	}
	return slices.Max(append(used, 0)) + 1, nil
}
