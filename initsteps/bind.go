package initsteps

import (
	"errors"
	"io/fs"
	"path"

	"github.com/PlanktoScope/pkbuild/stages"
)

// mountpoint is the owner and mode of directories that only serve to mount on.
var mountpoint = Info{Mode: 0o755}

// BindRoot binds the root file system as built, read-only, without the mounts in it.
type BindRoot struct {
	Target string
}

func (BindRoot) String() string { return "overlay-sysroot" }

// Done implements Step.
func (s BindRoot) Done(b *Boot) (bool, error) {
	m, err := b.mountAt(s.Target)
	return m != nil, err
}

// Do implements Step.
func (s BindRoot) Do(b *Boot) error {
	if err := b.Mkdir(s.Target, mountpoint); err != nil {
		return err
	}
	return b.Bind(Bind{Source: "/", Target: s.Target, ReadOnly: true})
}

// Undo implements Step.
func (s BindRoot) Undo(b *Boot) error { return b.Unmount(s.Target) }

// BindStage binds the bundle of the chosen stage, read-only.
type BindStage struct {
	Target string
}

func (BindStage) String() string { return "bindro-run-forklift-stages-current" }

// Done implements Step.
func (s BindStage) Done(b *Boot) (bool, error) {
	m, err := b.mountAt(s.Target)
	return m != nil, err
}

// Do implements Step.
func (s BindStage) Do(b *Boot) error {
	if b.Report.Choice.Stage == 0 {
		return Skip("no stage is chosen")
	}
	if err := b.Mkdir(s.Target, mountpoint); err != nil {
		return err
	}
	return b.Bind(Bind{Source: b.Report.Choice.Bundle, Target: s.Target, ReadOnly: true})
}

// Undo implements Step.
func (s BindStage) Undo(b *Boot) error { return b.Unmount(s.Target) }

// BindHome binds the stage store in a home directory, writable for the owner of the home directory if the owner is in
// the group: root's files appear as the owner's, and files that the owner writes are root's on the disk.
type BindHome struct {
	Home  string
	Group string
}

func (s BindHome) String() string { return "bind-.local-share-forklift-stages@" + instance(s.Home) }

func (s BindHome) target() string { return path.Join(s.Home, ".local/share/forklift/stages") }

// Done implements Step.
func (s BindHome) Done(b *Boot) (bool, error) {
	m, err := b.mountAt(s.target())
	return m != nil, err
}

// Do implements Step.
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

// Undo implements Step.
func (s BindHome) Undo(b *Boot) error { return b.Unmount(s.target()) }
