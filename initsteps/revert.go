package initsteps

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// RevertOverrides gives up the overrides that the administrator queued for it, before any layer is mounted: those of a
// mounted overlay may not change. The queue goes last, so that what a power cut interrupts is done by the next boot.
type RevertOverrides struct{}

func (RevertOverrides) String() string { return "revert-overrides" }

// Done implements Step. That nothing is left to revert is seen by Do.
func (RevertOverrides) Done(*Boot) (bool, error) { return false, nil }

// Do implements Step.
func (RevertOverrides) Do(b *Boot) error {
	data, err := queued(b, override.QueueFile, "nothing is to be reverted")
	if err != nil {
		return err
	}
	queue, err := override.ParseQueue(data)
	if err != nil {
		return err
	}
	for _, p := range queue {
		if err := b.RemoveAll(path.Join(overlays.StateDir, "overrides"), p[1:]); err != nil {
			return err
		}
	}
	b.Print(fmt.Sprintf("reverted %d overrides", len(queue)))
	return b.RemoveAll(overlays.StateDir, override.QueueFile)
}

// queued reads what the administrator queued for before the overlays are mounted. The step is skipped where nothing is,
// and where they are mounted.
func queued(b *Boot, file, nothing string) ([]byte, error) {
	data, err := b.ReadFile(path.Join(overlays.StateDir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Skip(nothing)
	}
	if err != nil {
		return nil, err
	}
	mounted, err := overlaid(b)
	if err == nil && mounted {
		err = Skip("the overlays are mounted: at the next boot")
	}
	return data, err
}

// overlaid tells whether an overlay of ours is mounted.
func overlaid(b *Boot) (bool, error) {
	infos, err := b.MountInfo()
	return slices.ContainsFunc(infos, func(m *mountinfo.Info) bool {
		return m.FSType == "overlay" && strings.HasPrefix(m.Source, "pkinit:")
	}), err
}

// Undo implements Step: what was reverted stays so.
func (RevertOverrides) Undo(*Boot) error { return nil }
