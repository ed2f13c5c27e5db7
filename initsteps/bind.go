package initsteps

import (
	"errors"
	"io/fs"
	"path"

	"github.com/PlanktoScope/pkbuild/stages"
)

// mountpoint is the owner and mode of directories that only serve to mount on.
var mountpoint = Info{Mode: 0o755}

// BindRoot is the boot step that binds the root file system as built, read-only and without the overlays, at Target.
type BindRoot struct {
	Target string
}

func (BindRoot) String() string { return "overlay-sysroot" }

// Done reports whether Target is a mount point.
func (s BindRoot) Done(b *Boot) (bool, error) {
	m, err := b.mountAt(s.Target)
	return m != nil, err
}

// Do bind-mounts the root file system at Target, read-only.
func (s BindRoot) Do(b *Boot) error {
	if err := b.Mkdir(s.Target, mountpoint); err != nil {
		return err
	}
	return b.Bind(Bind{Source: "/", Target: s.Target, ReadOnly: true})
}

// Undo unmounts Target.
func (s BindRoot) Undo(b *Boot) error { return b.Unmount(s.Target) }

// BindStage is the boot step that binds the bundle of the chosen stage (the directory with its files and apps)
// read-only at Target.
type BindStage struct {
	Target string
}

func (BindStage) String() string { return "bindro-run-forklift-stages-current" }

// Done reports whether Target is a mount point.
func (s BindStage) Done(b *Boot) (bool, error) {
	m, err := b.mountAt(s.Target)
	return m != nil, err
}

// Do bind-mounts the chosen stage's bundle at Target, read-only, and makes Target if it does not exist. It skips the step
// if no stage is chosen.
func (s BindStage) Do(b *Boot) error {
	if b.Report.Choice.Stage == 0 {
		return Skip("no stage is chosen for this boot")
	}
	if err := b.Mkdir(s.Target, mountpoint); err != nil {
		return err
	}
	return b.Bind(Bind{Source: b.Report.Choice.Bundle, Target: s.Target, ReadOnly: true})
}

// Undo unmounts Target.
func (s BindStage) Undo(b *Boot) error { return b.Unmount(s.Target) }

// BindHome is the boot step that binds the stage store in the home directory Home, writable for the owner of that
// directory. It is skipped if the owner is not in Group. Root's files appear there as the owner's, and files that the
// owner writes belong to root on the disk.
type BindHome struct {
	Home  string
	Group string
}

func (s BindHome) String() string { return "bind-.local-share-forklift-stages@" + instance(s.Home) }

func (s BindHome) target() string { return path.Join(s.Home, ".local/share/forklift/stages") }

// Done reports whether the bind mount in the home directory exists.
func (s BindHome) Done(b *Boot) (bool, error) {
	m, err := b.mountAt(s.target())
	return m != nil, err
}

// Do mounts the stage store in the home directory. It skips the step if the home directory or the store does not exist, or
// if the owner of the home directory is not in s.Group.
func (s BindHome) Do(b *Boot) error {
	ids, err := s.ids(b)
	if err != nil {
		return err
	}
	_, err = b.Stat(stages.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Skip(stages.Dir + " does not exist")
	}
	if err != nil {
		return err
	}
	return b.Bind(Bind{Source: stages.Dir, Target: s.target(), Within: s.Home, IDs: &ids})
}

// Undo unmounts the stage store from the home directory.
func (s BindHome) Undo(b *Boot) error { return b.Unmount(s.target()) }
