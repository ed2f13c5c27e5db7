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

// RevertOverrides is the boot step that deletes the overrides (the user's changed files in /etc and /usr) that are
// queued for it, before any overlay is mounted, since layers of a mounted overlay must not change. It deletes the queue
// last, so that the next boot continues after a power cut.
type RevertOverrides struct{}

func (RevertOverrides) String() string { return "revert-overrides" }

// Done always returns false: Do itself finds out whether overrides are queued.
func (RevertOverrides) Done(*Boot) (bool, error) { return false, nil }

// Do deletes the queued overrides (the user's changed files in /etc and /usr), and skips the step if none are queued.
func (RevertOverrides) Do(b *Boot) error {
	data, err := queued(b, override.QueueFile, "no override is queued to be reverted")
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

// queued reads a file in which the administrator queued a change of the overrides. It returns a Skip, with the message
// nothing if there is no file, and if the overlays are already mounted.
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
		err = Skip("the overlays are mounted already; the next boot reverts the queued overrides")
	}
	return data, err
}

// overlaid reports whether an overlay of pkinit is mounted.
func overlaid(b *Boot) (bool, error) {
	infos, err := b.MountInfo()
	return slices.ContainsFunc(infos, func(m *mountinfo.Info) bool {
		return m.FSType == "overlay" && strings.HasPrefix(m.Source, overlays.SourcePrefix)
	}), err
}

// Undo does nothing: removed overrides cannot be restored.
func (RevertOverrides) Undo(*Boot) error { return nil }
