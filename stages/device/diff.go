package device

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/paths"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Source is the origin of a path on the device: the user's override, a stage or the image.
type Source struct {
	Path      string     `json:"path"`
	Layer     string     `json:"layer,omitempty"` // "the user", a stage, or "the image"
	What      string     `json:"what,omitempty"`  // such as "a file" or "a symlink to x"
	Overrides []Override `json:"overrides"`       // of the path, and below it
}

// Why returns, for each path, the layer of the overlay that provides the file: the user, a stage or the image. It fails
// for a path outside the overlays, or that no layer has.
func (d Device) Why(paths []string) ([]Source, error) {
	boot, err := d.BootReport()
	if err != nil {
		return nil, err
	}
	all, err := d.overrides(boot)
	if err != nil {
		return nil, err
	}
	out := []Source{}
	for _, p := range paths {
		o, err := sourceOf(boot, all, p)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// sourceOf finds a path in the layers of its overlay.
func sourceOf(boot report.Boot, all []Override, p string) (Source, error) {
	p, overlay, err := locate(boot, p)
	if err != nil {
		return Source{}, err
	}
	o := Source{Path: p, Overrides: append([]Override{}, below(all, p)...)}
	rel, err := filepath.Rel(overlay.Target, p)
	if err != nil {
		return o, err
	}
	at, layer, err := override.Lookup(layersOf(overlay, boot.Choice.Stage), rel)
	if err != nil {
		return o, err
	}
	own := slices.IndexFunc(o.Overrides, func(c Override) bool { return c.Path == p })
	switch {
	case own >= 0 && o.Overrides[own].Change == override.Deleted:
		o.Layer, o.What = "the user", "deleted"
		return o, nil
	case own >= 0:
		o.Layer = "the user"
		o.What, err = describe(o.Overrides[own].mine)
		return o, err
	case at != "":
		o.Layer = layer
		o.What, err = describe(at)
		return o, err
	case len(o.Overrides) > 0: // a directory that only the user's files are in
		o.Layer, o.What = "the user", "a directory"
		return o, nil
	}
	return o, fmt.Errorf("%s does not exist: neither the user nor a layer of %s has it", p, overlay.Target)
}

// locate returns a path on the device as it lies in an overlay, and that overlay. Symlinks above the last element are
// followed: /bin/sh is /usr/bin/sh.
func locate(boot report.Boot, p string) (string, report.Overlay, error) {
	p, err := filepath.Abs(p)
	if err != nil {
		return "", report.Overlay{}, err
	}
	candidates := []string{p}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(p)); err == nil {
		candidates = append(candidates, filepath.Join(dir, filepath.Base(p)))
	}
	var targets []string
	for _, o := range boot.Overlays {
		for _, c := range candidates {
			if paths.Within(c, o.Target) {
				return c, o, nil
			}
		}
		targets = append(targets, o.Target)
	}
	if len(targets) == 0 {
		return "", report.Overlay{}, fmt.Errorf("%s is not in an overlay: this boot has none", p)
	}
	return "", report.Overlay{}, fmt.Errorf("%s is not in an overlay: only files below %s are", p, strings.Join(targets, " and "))
}

// String describes the origin of the path in a line, and each override in one more.
func (o Source) String() string {
	var lines []string
	for _, c := range o.Overrides {
		lines = append(lines, c.sentence())
	}
	if !slices.ContainsFunc(o.Overrides, func(c Override) bool { return c.Path == o.Path }) {
		lines = slices.Insert(lines, 0, fmt.Sprintf("%s is from %s: %s", o.Path, o.Layer, o.What))
	}
	return strings.Join(lines, "\n")
}

// sentence describes an override.
func (o Override) sentence() string {
	text := fmt.Sprintf("%s is from the user: %s", o.Path, o.Change)
	if o.Against != "" {
		text += " against " + o.Against
	}
	text += fmt.Sprintf("; first seen with stage %d", o.Since)
	for _, n := range o.Notes() {
		text += "; " + n
	}
	return text
}

// Difference is the unified diff between a file that the user changed and the file that it hides.
type Difference struct {
	Path   string          `json:"path"`
	Change override.Change `json:"change,omitempty"` // "" for a file that the user did not change
	Diff   string          `json:"diff"`             // in the unified format
}

// Diff returns, for each override (a file that the user changed) at or below the given paths, the difference from the
// file that it hides. For a path without overrides it returns an entry that says so. It fails for the same paths as
// Why.
func (d Device) Diff(paths []string) ([]Difference, error) {
	sources, err := d.Why(paths)
	if err != nil {
		return nil, err
	}
	out := []Difference{}
	for _, source := range sources {
		if len(source.Overrides) == 0 {
			out = append(out, Difference{Path: source.Path, Diff: fmt.Sprintf("%s is unchanged: it is from %s (%s)\n",
				source.Path, source.Layer, source.What)})
		}
		for _, o := range source.Overrides {
			text, err := o.text()
			if err != nil {
				return nil, err
			}
			out = append(out, Difference{o.Path, o.Change, text})
		}
	}
	return out, nil
}
