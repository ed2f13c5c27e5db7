package initsteps

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// volatileDir holds the upperdirs and workdirs of overlays whose changes are lost at the next boot. It is on a tmpfs.
const volatileDir = "/run/pkinit/overlays"

// Overlay is the boot step that mounts an overlay on a directory of the root file system, such as /usr: the user's
// overrides over the stage's files over the files of the image.
//
// No readable layer is left out because another one is not writable: if the usual overlay cannot be mounted, Overlay
// tries a tmpfs as the upperdir, then a read-only overlay, and last one without the overrides.
type Overlay struct {
	Dir string // such as usr
}

func (s Overlay) String() string { return "overlay-" + s.Dir }

func (s Overlay) target() string { return "/" + s.Dir }

// Done reports whether the topmost mount on /Dir is pkinit's overlay, by its source in mountinfo.
func (s Overlay) Done(b *Boot) (bool, error) {
	m, err := b.mountAt(s.target())
	return m != nil && m.FSType == "overlay" && m.Source == overlays.Source(s.Dir), err
}

// Do mounts the overlay on /Dir, with fewer and fewer layers until a mount succeeds. If none does, it returns the error
// of the first attempt.
func (s Overlay) Do(b *Boot) error {
	ways, err := s.ways(b)
	if err != nil {
		return err
	}
	s.reportForeign(b)
	var first error
	for i, w := range ways {
		err := s.mount(b, w.mount)
		if err == nil && i > 0 {
			b.Problem(fmt.Sprintf("/%s %s: %s", s.Dir, w.consequence, OneLine(first)))
		}
		if err == nil {
			return nil
		}
		if i == 0 {
			first = err
		}
	}
	return first
}

// maxForeign is the number of files that reportForeign names.
const maxForeign = 3

// reportForeign reports overrides that an overlay with other options has written, as that of another kernel: without these
// options they cannot be read, and so hide the stage's file for nothing.
func (s Overlay) reportForeign(b *Boot) {
	files, err := b.ForeignFiles(overlays.Upperdir(s.Dir))
	if err != nil {
		b.Problem(fmt.Sprintf("look for foreign overlay attributes: %s", OneLine(err)))
	}
	if len(files) == 0 {
		return
	}
	text := strings.Join(files[:min(len(files), maxForeign)], ", ")
	if more := len(files) - maxForeign; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	b.Problem(fmt.Sprintf("/%s has overrides that cannot be read, since another kernel has written them with other options of "+
		"overlayfs: %s (pkctl override revert removes them)", s.Dir, text))
}

// Undo unmounts the overlay.
func (s Overlay) Undo(b *Boot) error { return b.Unmount(s.target()) }

// way is one way to mount the overlay.
type way struct {
	mount       overlays.Mount
	consequence string // what it means for the user, as the predicate of a sentence about the directory
}

// ways returns the ways to mount the overlay, the best first.
func (s Overlay) ways(b *Boot) ([]way, error) {
	base := []string{overlays.Lowerdir(s.Dir)}
	stage, err := s.stageLayer(b)
	if err != nil {
		return nil, err
	}
	shared := slices.Concat(stage, base)
	m := overlays.Mount{Source: overlays.Source(s.Dir), Target: s.target()}
	with := func(lower []string, upperdir, workdir string) overlays.Mount {
		m.Lowerdirs, m.Upperdir, m.Workdir = lower, upperdir, workdir
		return m
	}
	upper, work := path.Join(volatileDir, s.Dir, "upper"), path.Join(volatileDir, s.Dir, "work")
	overrides, err := s.directory(b, overlays.Upperdir(s.Dir))
	off := b.Report.Choice.Overrides == report.OffOverrides
	if off || b.Report.Choice.Overrides == report.NoOverrides && (err != nil || len(overrides) > 0) {
		return []way{{with(shared, upper, work), ""}}, nil // not wanted, or SetAside could not move them and has reported that
	}
	ways := []way{{with(shared, overlays.Upperdir(s.Dir), overlays.Workdir(s.Dir)), ""}}
	if len(overrides) > 0 {
		all := slices.Concat(overrides, shared)
		ways = append(ways,
			way{with(all, upper, work), "keeps changes in memory only, until the next boot"},
			way{with(all, "", ""), "is read-only"})
	}
	without := "keeps changes in memory only, until the next boot"
	if err != nil || len(overrides) > 0 {
		without = "lacks the user's overrides, which cannot be read, and " + without
	}
	ways = append(ways, way{with(shared, upper, work), without})
	return ways, nil
}

// stageLayer returns the lowerdir of the chosen stage; none if there is no stage or it has no files for the directory.
func (s Overlay) stageLayer(b *Boot) ([]string, error) {
	if b.Report.Choice.Stage == 0 {
		return nil, nil
	}
	return s.directory(b, overlays.StageLowerdir(s.Dir))
}

// directory returns the directory of a name, or none if it does not exist.
func (s Overlay) directory(b *Boot, name string) ([]string, error) {
	i, err := b.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !i.Mode.IsDir():
		return nil, fmt.Errorf("%s is not a directory", name)
	}
	return []string{name}, nil
}

// mount mounts the overlay, and makes its upperdir and workdir with the owner and mode of the base's directory.
func (s Overlay) mount(b *Boot, m overlays.Mount) error {
	base, err := b.Stat(overlays.Lowerdir(s.Dir))
	if err != nil {
		return err
	}
	if !m.ReadOnly() {
		for _, dir := range []string{m.Upperdir, m.Workdir} {
			if err := b.Mkdir(dir, base); err != nil {
				return err
			}
		}
	}
	return b.MountOverlay(m)
}
