package stages

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"time"
)

// Exclude returns the snapshot without a stage that cannot be used, and checks as many stages of the history as Select
// needs to choose another one.
func (s Snapshot) Exclude(dir fs.FS, stage int, reason error) Snapshot {
	s.Bundles[stage] = reason
	s.checkHistory(dir)
	return s
}

// Unusable returns the state with a stage marked as one that cannot be mounted, for a reason. It stays marked until it
// is set as the next stage again.
func (s BootState) Unusable(stage int, reason string, at time.Time) BootState {
	r := s.Stages[stage]
	r.Unusable, r.Last = reason, timestamp(at)
	return s.with(stage, r)
}

// Unusable returns the files with a stage marked as one that cannot be mounted, and the write that leads to them.
func (f Files) Unusable(stage int, reason string, at time.Time) (Files, []Write, error) {
	return Files{f.Store, f.State.Unusable(stage, reason, at)}.writes(StateFile)
}

// layerPaths are the directories in the way to what pkinit mounts of a bundle, each after those above it.
var layerPaths = []string{"exports", "exports/overlays", "exports/overlays/etc", "exports/overlays/usr"}

// checkExports returns an error if one of layerPaths exists and is not a directory. A symlink is not one, since it could
// lead out of the bundle.
func checkExports(dir fs.FS, stage int) error {
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
