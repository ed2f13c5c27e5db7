package initsteps

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// SetAside is the boot step that disables overrides (the user's changes in /etc and /usr) after boots that ended
// without a verdict: those that changed since the last good verdict, or all. It moves them to numbered directories
// below overlays.StateDir and deletes none.
//
// If a file cannot be moved, the overlays are mounted without any override.
type SetAside struct{}

func (SetAside) String() string { return "set-aside-overrides" }

// Done always returns false: Do itself finds out whether overrides are to be set aside.
func (SetAside) Done(*Boot) (bool, error) { return false, nil }

// Do moves the overrides out of the upperdirs, and skips the step if the choice of this boot keeps all of them. It
// never fails: if a file cannot be moved, it reports a problem and the boot uses no overrides.
func (SetAside) Do(b *Boot) error {
	switch b.Report.Choice.Overrides {
	case report.AllOverrides, "":
		return Skip("overrides are not to be set aside in this boot")
	case report.OffOverrides:
		return Skip("overrides are left out of this boot, and kept")
	}
	moved, err := setAside(b)
	if err != nil {
		b.Report.Choice.Overrides = report.NoOverrides
		b.Problem(fmt.Sprintf("set overrides aside: %s", OneLine(err)))
	}
	if moved == 0 && err == nil {
		return Skip("no overrides to set aside")
	}
	return nil
}

// Undo does nothing: overrides stay set aside, because earlier boots with them ended without a verdict.
func (SetAside) Undo(*Boot) error { return nil }

// setAside moves the overrides and returns their number; all of them count as one.
func setAside(b *Boot) (moved int, err error) {
	to, err := nextSetAside(b)
	if err != nil {
		return 0, err
	}
	if b.Report.Choice.Overrides == report.NoOverrides {
		_, err := b.Stat(path.Join(overlays.StateDir, "overrides"))
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		return 1, b.setAside("overrides", to)
	}
	data, err := b.ReadFile(path.Join(overlays.StateDir, override.GoodFile))
	if err != nil {
		return 0, err
	}
	good, err := override.ParseGood(data)
	if err != nil {
		return 0, err
	}
	files, err := b.ListFiles(path.Join(overlays.StateDir, "overrides"))
	if err != nil {
		return 0, err
	}
	for _, name := range files.ChangedSince(good) {
		if err := b.setAside(path.Join("overrides", name), to); err != nil {
			return moved, err
		}
		moved++
	}
	return moved, nil
}

// setAside moves a path below overlays.StateDir into a directory, if it exists.
func (b *Boot) setAside(name, to string) error {
	err := b.Rename(path.Join(overlays.StateDir, name), path.Join(to, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// nextSetAside returns the directory for the overrides of this boot, which does not exist yet.
func nextSetAside(b *Boot) (string, error) {
	for n := 1; ; n++ {
		dir := path.Join(overlays.StateDir, override.SetAsideDir, strconv.Itoa(n))
		_, err := b.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return dir, nil
		}
		if err != nil {
			return "", err
		}
	}
}
