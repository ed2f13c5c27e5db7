package initsteps

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"syscall"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// MakeReserve is the boot step that creates the reserve: directories and a file that pkinit deletes when the disk is
// full, so that it can still record an attempt and mount overlays. An image comes with a reserve.
type MakeReserve struct{}

func (MakeReserve) String() string { return "make-reserve" }

// Done always returns false: Do itself finds out whether the reserve is complete.
func (MakeReserve) Done(*Boot) (bool, error) { return false, nil }

// Do creates the missing parts of the reserve. On a full disk it reports a problem instead and does not fail.
func (MakeReserve) Do(b *Boot) error {
	_, err := b.Stat(overlays.ReserveFile())
	switch {
	case err == nil:
		return Skip("the reserve exists")
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case b.usedReserve:
		return Skip("this boot has used the reserve, and the next one makes it again")
	case b.volatile():
		return Skip("the file system is not writable")
	}
	for n := range overlays.ReserveDirs {
		if err = b.System.Mkdir(path.Join(overlays.ReserveDir(), strconv.Itoa(n+1)), mountpoint); err != nil {
			break
		}
	}
	if err == nil {
		err = b.System.WriteFile(overlays.ReserveFile(), make([]byte, overlays.ReserveSize), 0o600)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	b.Problem(fmt.Sprintf("the disk is full: no room for the reserve of %d KiB that a boot may need", overlays.ReserveSize>>10))
	return b.RemoveAll(overlays.StateDir, path.Base(overlays.ReserveDir()))
}

// Undo does nothing: the next boots use the reserve.
func (MakeReserve) Undo(*Boot) error { return nil }

// volatile reports whether an overlay of this boot keeps no changes.
func (b *Boot) volatile() bool {
	for _, o := range b.Report.Overlays {
		if o.Mode != report.Writable {
			return true
		}
	}
	return false
}

// withReserve calls f and, if the disk is full, once more after it has deleted the reserve.
func (b *Boot) withReserve(f func() error) error {
	err := f()
	if !errors.Is(err, syscall.ENOSPC) || b.usedReserve {
		return err
	}
	if _, missing := b.Stat(overlays.ReserveDir()); missing != nil {
		return err
	}
	b.usedReserve = true
	b.Problem("the disk is full: this boot has used the reserve of pkinit; free some space")
	if removal := b.System.RemoveAll(overlays.StateDir, path.Base(overlays.ReserveDir())); removal != nil {
		return errors.Join(err, removal)
	}
	return f()
}

// Mkdir creates a directory as System.Mkdir does. If the disk is full, it frees pkinit's reserve (space kept for this)
// and tries again.
func (b *Boot) Mkdir(name string, as Info) error {
	return b.withReserve(func() error { return b.System.Mkdir(name, as) })
}

// WriteFile replaces a file as System.WriteFile does. If the disk is full, it frees pkinit's reserve (space kept for
// this) and tries again.
func (b *Boot) WriteFile(name string, data []byte, mode fs.FileMode) error {
	return b.withReserve(func() error { return b.System.WriteFile(name, data, mode) })
}

// Rename moves a file as System.Rename does. If the disk is full, it frees pkinit's reserve (space kept for this) and
// tries again.
func (b *Boot) Rename(from, to string) error {
	return b.withReserve(func() error { return b.System.Rename(from, to) })
}

// MountOverlay mounts an overlay as System.MountOverlay does. If the disk is full, it frees pkinit's reserve (space
// kept for this) and tries again, since the kernel creates a directory in the workdir.
func (b *Boot) MountOverlay(m overlays.Mount) error {
	return b.withReserve(func() error { return b.System.MountOverlay(m) })
}
