package initsteps

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Verify is the boot step that compares the mounts in mountinfo with what the other steps should have mounted, and
// lists the overlays in the boot report. It changes no mount.
type Verify struct{}

func (Verify) String() string { return "verify" }

// Done always returns false, because mounts can change at any time.
func (Verify) Done(*Boot) (bool, error) { return false, nil }

// Do compares the mounts with the steps of this boot. The error joins all differences.
func (Verify) Do(b *Boot) error {
	infos, err := b.MountInfo()
	if err != nil {
		return err
	}
	if b.Report.Overlays, err = mountedOverlays(infos); err != nil {
		return err
	}
	var errs []error
	for _, t := range Transactions() {
		for _, s := range t {
			if v, ok := s.(verifier); ok && b.state(s) == report.Done {
				errs = append(errs, v.verify(b, infos))
			}
		}
	}
	return errors.Join(errs...)
}

// Undo does nothing, because Verify changes nothing.
func (Verify) Undo(*Boot) error { return nil }

// verifier is a step that can compare its mount with mountinfo.
type verifier interface {
	verify(b *Boot, infos []*mountinfo.Info) error
}

// mountedOverlays returns the overlays that pkinit mounted, as mountinfo shows them.
func mountedOverlays(infos []*mountinfo.Info) ([]report.Overlay, error) {
	list := []report.Overlay{}
	for _, i := range infos {
		if i.FSType != "overlay" || !strings.HasPrefix(i.Source, overlays.SourcePrefix) {
			continue
		}
		m, err := overlays.ParseOptions(i.VFSOptions)
		if err != nil {
			return list, fmt.Errorf("mountinfo of %s: %w", i.Mountpoint, err)
		}
		list = append(list, report.Overlay{
			Target: i.Mountpoint, Source: i.Source,
			Lowerdirs: m.Lowerdirs, Upperdir: m.Upperdir, Workdir: m.Workdir, Mode: modeOf(m),
		})
	}
	return list, nil
}

// modeOf returns the mode of an overlay from where its upperdir is.
func modeOf(m overlays.Mount) report.OverlayMode {
	switch {
	case m.ReadOnly():
		return report.ReadOnly
	case strings.HasPrefix(m.Upperdir, volatileDir+"/"):
		return report.Volatile
	}
	return report.Writable
}

func (s BindRoot) verify(_ *Boot, infos []*mountinfo.Info) error {
	return readOnly(infos, s.Target, "")
}

func (s BindStage) verify(b *Boot, infos []*mountinfo.Info) error {
	return readOnly(infos, s.Target, path.Base(b.Report.Choice.Bundle))
}

func (s BindHome) verify(_ *Boot, infos []*mountinfo.Info) error {
	m := lastAt(infos, s.target())
	switch {
	case m == nil:
		return fmt.Errorf("%s is not a mount point", s.target())
	case !slices.Contains(strings.Split(m.Options, ","), "idmapped"):
		return fmt.Errorf("bind mount at %s does not map owners (idmapped is not among its options %s)", s.target(), m.Options)
	}
	return nil
}

func readOnly(infos []*mountinfo.Info, target, root string) error {
	m := lastAt(infos, target)
	switch {
	case m == nil:
		return fmt.Errorf("%s is not a mount point", target)
	case root != "" && path.Base(m.Root) != root:
		return fmt.Errorf("%s is a bind mount of %s, want %s", target, m.Root, root)
	case !slices.Contains(strings.Split(m.Options, ","), "ro"):
		return fmt.Errorf("bind mount at %s is not read-only (options %s)", target, m.Options)
	}
	return nil
}

func (s Overlay) verify(b *Boot, infos []*mountinfo.Info) error {
	ways, err := s.ways(b)
	if err != nil {
		return err
	}
	m := lastAt(infos, s.target())
	if m == nil {
		return fmt.Errorf("%s is not a mount point", s.target())
	}
	got, err := overlays.ParseOptions(m.VFSOptions)
	if err != nil {
		return err
	}
	got.Source, got.Target = m.Source, m.Mountpoint
	usual := ways[0].mount // also where SetAside has moved an upperdir that the mount has made again
	usual.Upperdir, usual.Workdir = overlays.Upperdir(s.Dir), overlays.Workdir(s.Dir)
	ways = append(ways, way{mount: usual})
	if !slices.ContainsFunc(ways, func(w way) bool { return fmt.Sprint(got) == fmt.Sprint(w.mount) }) {
		return fmt.Errorf("overlay at %s is %v, want %v", s.target(), got, ways[0].mount)
	}
	return nil
}
