package device

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// storeError explains why the stage store cannot be used, and the way out.
func (d Device) storeError(err error) error {
	return dirError("stage store", d.Store, err, storeAdvice)
}

// storeAdvice is the way out of an unusable store.
var storeAdvice = map[error]string{
	fs.ErrNotExist:   "stage a pallet with pkctl pallet switch, or name another directory with --store",
	fs.ErrPermission: "stages belong to root: use sudo, or become a member of the group pkctl",
	syscall.EROFS:    "nothing can be changed until it is mounted writable",
	syscall.ENOTDIR:  "name a directory with --store",
}

// stateError explains why the state directory cannot be used, and the way out.
func (d Device) stateError(err error) error {
	return dirError("state directory", d.State, err, map[error]string{
		fs.ErrNotExist:   "pkinit makes it, so this device did not boot with pkinit; name another directory with --state",
		fs.ErrPermission: "overrides and resets belong to root: use sudo",
		syscall.EROFS:    "nothing can be changed until it is mounted writable",
		syscall.ENOTDIR:  "name a directory with --state",
	})
}

// dirError names the directory in place of the system call, where the error is one that has a way out.
func dirError(what, dir string, err error, advice map[error]string) error {
	info, stat := os.Stat(dir)
	if err != nil && stat == nil && !info.IsDir() {
		return fmt.Errorf("%s %s: %w (%s)", what, dir, syscall.ENOTDIR, advice[syscall.ENOTDIR])
	}
	for kind, text := range advice {
		if !errors.Is(err, kind) || kind == fs.ErrNotExist && stat == nil { // what does not exist is in the directory
			continue
		}
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			err = path.Err
		}
		return fmt.Errorf("%s %s: %w (%s)", what, dir, err, text)
	}
	return err
}

// Numbers returns the numbers of all stages in ascending order, including incomplete ones.
func (d Device) Numbers() ([]int, error) {
	sys, err := store.Linux(d.Store)
	if err != nil {
		return nil, d.storeError(err)
	}
	all, err := store.Bundles(sys)
	if err := errors.Join(err, sys.Close()); err != nil {
		return nil, d.storeError(err)
	}
	return all, nil
}

// Resolve returns the number of the stage with a number, name or role such as "current". The stage exists but may be
// incomplete.
func (d Device) Resolve(name string) (int, error) {
	all, err := d.Numbers()
	if err != nil {
		return 0, err
	}
	s, err := d.snapshot()
	if _, notNumber := strconv.Atoi(name); err != nil && notNumber != nil {
		return 0, err // the names are in what could not be read
	}
	return d.resolve(s.Staged, all, name)
}

// resolveIn is Resolve in a store that is locked.
func (d Device) resolveIn(s *store.Store, name string) (int, error) {
	all, err := s.Bundles()
	if err != nil {
		return 0, err
	}
	return d.resolve(s.Staged(), all, name)
}

func (d Device) resolve(staged stages.Staged, all []int, name string) (int, error) {
	if len(all) == 0 {
		return 0, fmt.Errorf("stage store %s has no stages: stage a pallet with pkctl pallet switch", d.Store)
	}
	n, err := staged.Resolve(name)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(all, n) {
		return 0, fmt.Errorf("no stage %d in %s: it has %s", n, d.Store, numbers(all))
	}
	return n, nil
}

// numbers lists numbers, separated by commas.
func numbers(all []int) string {
	var out []string
	for _, n := range all {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ", ")
}
