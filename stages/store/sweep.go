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

// Prefixes of temporary names.
const (
	newPrefix = ".new-" // a bundle that is being written
	oldPrefix = ".old-" // a bundle that is being deleted
)

// swapFile is the temporary name of Forklift's store file. While it exists, Forklift refuses to write the store.
const swapFile = "forklift-stage-store-swap.yml"

// sweep deletes temporary files of killed commands, Forklift's included.
func (s *Store) sweep() error {
	entries, err := s.sys.ReadDir(".")
	if err != nil {
		return fmt.Errorf("read the stage store's directory: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if isTemporary(e.Name()) {
			errs = append(errs, s.removeAll(e.Name()))
		}
	}
	return errors.Join(errs...)
}

func isTemporary(name string) bool {
	return strings.HasPrefix(name, newPrefix) || strings.HasPrefix(name, oldPrefix) || strings.HasSuffix(name, tmpSuffix) ||
		name == swapFile
}

// removeAll deletes a file or a directory tree. It returns nil if there is none.
func (s *Store) removeAll(name string) error {
	entries, err := s.sys.ReadDir(name)
	if err == nil {
		for _, e := range entries {
			if err := s.removeAll(path.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := s.sys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// Delete deletes a stage. It removes the references to the stage first, so that the store file never refers to a partial
// bundle; if the stage was next, the current stage becomes next. It fails if the stage does not exist.
func (s *Store) Delete(stage int) error {
	all, err := s.Bundles()
	if err != nil {
		return err
	}
	if !slices.Contains(all, stage) {
		return fmt.Errorf("stage %d does not exist", stage)
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
	return s.removeAll(old)
}

// Prunable returns the numbers of the stages that are neither next, in the history, named nor in except. The caller
// must include the running stage in except.
func (s *Store) Prunable(except ...int) ([]int, error) {
	all, err := s.Bundles()
	keep := append(s.files.Store.Staged.References(), except...)
	return slices.DeleteFunc(all, func(n int) bool { return slices.Contains(keep, n) }), err
}

// Prune deletes the stages that Prunable returns. It returns those that it deleted, even if it fails.
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

// Bundles returns the numbers of the bundles in a store's directory, complete or not, in ascending order.
func Bundles(sys System) ([]int, error) {
	entries, err := sys.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("read the stage store's directory: %w", err)
	}
	return numbered(slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() })), nil
}

// numbered returns the numbers among the names of entries, in ascending order.
func numbered(entries []fs.DirEntry) []int {
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && bundleDir(n) == e.Name() {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// freeNumber returns a number above that of all bundles, of files with numbers as names, and of all stages that the store
// or state file mentions.
func (s *Store) freeNumber() (int, error) {
	entries, err := s.sys.ReadDir(".")
	if err != nil {
		return 0, fmt.Errorf("read the stage store's directory: %w", err)
	}
	used := append(numbered(entries), s.files.Store.Staged.References()...)
	for n := range s.files.State.Stages {
		used = append(used, n)
	}
	return slices.Max(append(used, 0)) + 1, nil
}
