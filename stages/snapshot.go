package stages

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
)

// Snapshot is the input of Select: the references to stages, their attempts, and which bundles are usable, at one
// moment.
type Snapshot struct {
	Staged  Staged
	State   BootState
	Bundles map[int]error // result of CheckBundle for the stages that Select may choose
}

// bundleError returns the result of CheckBundle for a stage.
func (s Snapshot) bundleError(stage int) error {
	err, known := s.Bundles[stage]
	if !known {
		return fmt.Errorf("%d is not the number of a known stage", stage)
	}
	return err
}

// Load reads the input of Select from a stage store's directory. The result is usable despite an error, which joins
// everything that could not be read: an unreadable store file refers to no stage, an unreadable state file has no
// attempts. Load checks only the bundles that Select may choose, since manifests are long and every boot waits for
// this: of the next stage, of the history from its end to the first usable one, and after several boots without a
// verdict of all proven stages and the factory stage.
func Load(dir fs.FS) (Snapshot, error) {
	store, err := readStore(dir)
	state, stateErr := readBootState(dir)
	return Files{store, state}.Snapshot(dir), errors.Join(err, stateErr)
}

// Snapshot returns the input of Select: the references, the attempts, and the checks of the bundles in the store's
// directory, dir.
func (f Files) Snapshot(dir fs.FS) Snapshot {
	s := Snapshot{Staged: f.Store.Staged, State: f.State, Bundles: map[int]error{}}
	if s.Staged.Next != 0 {
		s.checkBundle(dir, s.Staged.Next)
	}
	s.checkHistory(dir)
	s.checkLadder(dir)
	return s
}

// checkLadder checks the bundles that Select needs after several boots of a proven stage without a verdict.
func (s Snapshot) checkLadder(dir fs.FS) {
	hung := func(n int) bool { return s.State.Stages[n].Attempts >= MaxAttempts }
	if !slices.ContainsFunc(s.Staged.History, hung) {
		return
	}
	for _, n := range s.Staged.History {
		_ = s.checkBundle(dir, n) // it keeps the error
	}
	if n := s.Staged.Names[FactoryName]; n != 0 {
		_ = s.checkBundle(dir, n)
	}
}

// checkHistory checks bundles of the history, from its end to the first that can be used and is not damaged.
func (s Snapshot) checkHistory(dir fs.FS) {
	for _, n := range slices.Backward(s.Staged.History) {
		if s.checkBundle(dir, n) == nil && s.State.Stages[n].Damaged == "" {
			return
		}
	}
}

// checkBundle is CheckBundle with a cache, and an error for a stage that an earlier boot could not mount.
func (s Snapshot) checkBundle(dir fs.FS, stage int) error {
	err, seen := s.Bundles[stage]
	if seen {
		return err
	}
	err = CheckBundle(dir, stage)
	if reason := s.State.Stages[stage].Unusable; err == nil && reason != "" {
		err = errors.New(reason)
	}
	s.Bundles[stage] = err
	return err
}

func readStore(dir fs.FS) (Store, error) {
	data, err := fs.ReadFile(dir, StoreFile)
	if err != nil {
		return Store{}, fmt.Errorf("read the stage store: %w", err)
	}
	return ParseStore(data)
}

// readBootState returns an empty state without an error if there is no file: the device has attempted no stage.
func readBootState(dir fs.FS) (BootState, error) {
	data, err := fs.ReadFile(dir, StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return BootState{}, nil
	}
	if err != nil {
		return BootState{}, fmt.Errorf("read the stage store: %w", err)
	}
	return ParseBootState(data)
}

// CheckBundle returns an error if the bundle of a stage in the store's directory, dir, is missing or cannot be used: if
// it has no readable manifest, which is written last, or if a layer that pkinit mounts is not a directory of the
// bundle. It does not read the other files.
func CheckBundle(dir fs.FS, stage int) error {
	if stage < 1 {
		return fmt.Errorf("%d is not the number of a stage", stage)
	}
	if err := checkDirectory(dir, stage); err != nil {
		return err
	}
	data, err := fs.ReadFile(dir, path.Join(strconv.Itoa(stage), ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bundle is incomplete: no %s", ManifestFile)
	}
	if err != nil {
		return err
	}
	var manifest struct {
		ForkliftVersion string `yaml:"forklift-version"`
	}
	if err := parseYAML(ManifestFile, data, &manifest); err != nil {
		return err
	}
	if manifest.ForkliftVersion == "" {
		return fmt.Errorf("bundle's %s has no forklift-version", ManifestFile)
	}
	return CheckExports(dir, stage)
}

// checkDirectory returns an error if a stage is missing or not a directory of the store. A symlink is not one: the bundle
// that it leads to has another number, and goes with that.
func checkDirectory(dir fs.FS, stage int) error {
	name := strconv.Itoa(stage)
	i, err := fs.Lstat(dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory %s does not exist", name)
	case err != nil:
		return err
	case !i.IsDir():
		return fmt.Errorf("%s is not a directory", name)
	}
	return nil
}
