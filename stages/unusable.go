package stages

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"time"
)

// Exclude returns the snapshot with a stage marked as unusable for the given reason, so that Select chooses another
// one. It checks the bundles of further stages in the store's directory, dir, and changes the original's Bundles, too.
func (s Snapshot) Exclude(dir fs.FS, stage int, reason error) Snapshot {
	s.Bundles[stage] = reason
	s.checkHistory(dir)
	return s
}

// Unusable returns the state with the reason why pkinit could not mount a stage. Select does not choose the stage until
// it is set as next again, which removes the reason.
func (s BootState) Unusable(stage int, reason string, at time.Time) BootState {
	r := s.Stages[stage]
	r.Unusable, r.Last = reason, timestamp(at)
	return s.with(stage, r)
}

// Unusable returns the store's files with a stage marked as impossible to mount, and the write that makes the change on
// the disk.
func (f Files) Unusable(stage int, reason string, at time.Time) (Files, []Write, error) {
	return Files{f.Store, f.State.Unusable(stage, reason, at)}.writes(StateFile)
}

// Damaged returns the state with a stage marked as damaged, or without the mark if damage is "". damage says how the
// stage's files differ from their digests. Select prefers stages without the mark.
func (s BootState) Damaged(stage int, damage string) BootState {
	r := s.Stages[stage]
	r.Damaged = damage
	return s.with(stage, r)
}

// Damaged returns the store's files with a stage marked as damaged, or without the mark if damage is "", and the write
// that makes the change on the disk.
func (f Files) Damaged(stage int, damage string) (Files, []Write, error) {
	return Files{f.Store, f.State.Damaged(stage, damage)}.writes(StateFile)
}

// withoutDamaged returns the snapshot without the stages that are marked as damaged, and whether there is one.
func (s Snapshot) withoutDamaged() (Snapshot, bool) {
	bundles, any := maps.Clone(s.Bundles), false
	for n, err := range s.Bundles {
		if damage := s.State.Stages[n].Damaged; err == nil && damage != "" {
			bundles[n], any = fmt.Errorf("bundle is damaged: %s", damage), true
		}
	}
	s.Bundles = bundles
	return s, any
}

// layerPaths are the directories in the way to what pkinit mounts of a bundle, each after those above it.
var layerPaths = []string{"exports", "exports/overlays", "exports/overlays/etc", "exports/overlays/usr"}

// IsLayer reports whether a path in a bundle must be a directory, because pkinit mounts it or something below it.
func IsLayer(name string) bool { return slices.Contains(layerPaths, name) }

// CheckExports returns an error if a path in a stage's bundle that must be a directory (see IsLayer) exists and is not
// one. dir is the store's directory. A symlink is not a directory, since it could lead out of the bundle.
func CheckExports(dir fs.FS, stage int) error {
	for _, name := range layerPaths {
		full := path.Join(strconv.Itoa(stage), name)
		i, err := fs.Lstat(dir, full)
		switch {
		case errors.Is(err, fs.ErrNotExist): // a bundle need not have layers
		case err != nil:
			return err
		case !i.IsDir():
			return fmt.Errorf("%s is not a directory", full)
		}
	}
	return nil
}
