package initsteps

import (
	"errors"
	"io/fs"
	"path"

	"github.com/PlanktoScope/pkbuild/overlays"
)

// state is where the user's overrides and the kernel's scratch directories lie.
const state = overlays.StateDir

// Overlay lays the stage's files and the user's overrides over a directory of the root file system.
type Overlay struct {
	Dir string // such as usr
}

func (s Overlay) String() string { return "overlay-" + s.Dir }

func (s Overlay) target() string { return "/" + s.Dir }

// Done implements Step. Our overlays are known by their source.
func (s Overlay) Done(b *Boot) (bool, error) {
	m, err := b.mountAt(s.target())
	return m != nil && m.FSType == "overlay" && m.Source == "pkinit:"+s.target(), err
}

// Do implements Step.
func (s Overlay) Do(b *Boot) error {
	m, err := s.mount(b)
	if err != nil {
		return err
	}
	base, err := b.Stat(m.Lowerdirs[len(m.Lowerdirs)-1])
	if err != nil {
		return err
	}
	if err := b.Mkdir(m.Upperdir, base); err != nil {
		return err
	}
	if err := b.Mkdir(m.Workdir, base); err != nil {
		return err
	}
	return b.MountOverlay(m)
}

// Undo implements Step.
func (s Overlay) Undo(b *Boot) error { return b.Unmount(s.target()) }

// mount is the overlay as it should be, given the stage that was chosen.
func (s Overlay) mount(b *Boot) (overlays.Mount, error) {
	m := overlays.Mount{
		Source:    "pkinit:" + s.target(),
		Target:    s.target(),
		Lowerdirs: []string{path.Join("/sysroot", s.Dir)},
		Upperdir:  path.Join(state, "overrides", s.Dir),
		Workdir:   path.Join(state, "workdirs", s.Dir),
	}
	if b.Report.Choice.Stage == 0 {
		return m, nil
	}
	layer := path.Join(overlays.CurrentStage, "exports/overlays", s.Dir)
	_, err := b.Stat(layer)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the stage has no files for this directory
		return m, nil
	case err != nil:
		return m, err
	}
	m.Lowerdirs = append([]string{layer}, m.Lowerdirs...)
	return m, nil
}
