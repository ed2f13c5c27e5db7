package stages

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
)

// Snapshot is a stage store as it was at one moment: all that Select needs.
type Snapshot struct {
	Staged  Staged
	State   BootState
	Bundles map[int]error // of each stage that was looked at: nil if complete, else why it is not
}

// incomplete says why a stage cannot be used; nil if it can.
func (s Snapshot) incomplete(stage int) error {
	err, known := s.Bundles[stage]
	if !known {
		return fmt.Errorf("%d is not the number of a known stage", stage)
	}
	return err
}

// Load reads a store from its directory. The snapshot can be used whatever the error, which joins all that could not
// be read: an unreadable store names no stage, an unreadable state file knows of no attempts. Looked at are the bundles
// of the next stage and of the history, from its end to the first complete one: manifests are long, and every boot
// waits for this.
func Load(dir fs.FS) (Snapshot, error) {
	var s Snapshot
	store, err := readStore(dir)
	s.Staged = store.Staged
	state, stateErr := readBootState(dir)
	s.State = state
	s.Bundles = map[int]error{}
	if s.Staged.Next != 0 {
		s.look(dir, s.Staged.Next)
	}
	for _, n := range slices.Backward(s.Staged.History) {
		if s.look(dir, n) == nil {
			break
		}
	}
	return s, errors.Join(err, stateErr)
}

// look tells why the bundle of a stage is not complete; nil if it is.
func (s Snapshot) look(dir fs.FS, stage int) error {
	if _, seen := s.Bundles[stage]; !seen {
		s.Bundles[stage] = CheckBundle(dir, stage)
	}
	return s.Bundles[stage]
}

func readStore(dir fs.FS) (Store, error) {
	data, err := fs.ReadFile(dir, StoreFile)
	if err != nil {
		return Store{}, fmt.Errorf("stage store: %w", err)
	}
	return ParseStore(data)
}

// readBootState: a device on which nothing was ever attempted has no such file.
func readBootState(dir fs.FS) (BootState, error) {
	data, err := fs.ReadFile(dir, StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return BootState{}, nil
	}
	if err != nil {
		return BootState{}, fmt.Errorf("stage store: %w", err)
	}
	return ParseBootState(data)
}

// CheckBundle says why the bundle of a stage is not complete; nil if it is. The manifest is what tells: it is written
// last.
func CheckBundle(dir fs.FS, stage int) error {
	if stage < 1 {
		return fmt.Errorf("%d is not the number of a stage", stage)
	}
	data, err := fs.ReadFile(dir, path.Join(strconv.Itoa(stage), ManifestFile))
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
		return fmt.Errorf("%s has no forklift-version", ManifestFile)
	}
	return nil
}
