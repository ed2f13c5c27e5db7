package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// Lint finds what is allowed and likely a mistake: what no check of Forklift sees. Each has its place.
func (p *Pallet) Lint() (warnings []string, err error) {
	l := linter{roots: roots{}, targets: map[string]bool{}, modes: map[string]fs.FileMode{}, links: map[string]bool{}}
	for _, d := range p.enabled() {
		for _, e := range d.exports() {
			l.targets[e.Target] = true
		}
	}
	for _, d := range p.enabled() {
		l.deployment(d)
	}
	l.ports(p)
	l.strangers(p)
	l.finishUnits()
	if cycle := p.Plan().Cycle(); cycle != nil {
		l.warn(p.layered.file.place(nil), "deployments wait for each other in a circle: %s",
			strings.Join(append(cycle, cycle[0]), " waits for "))
	}
	l.unused(p)
	slices.Sort(l.warnings)
	return slices.Compact(l.warnings), errors.Join(append(l.errs, l.roots.close())...)
}

// linter gathers warnings.
type linter struct {
	roots    roots
	targets  map[string]bool        // of all exports
	modes    map[string]fs.FileMode // of exported files of the pallets, by target
	links    map[string]bool        // units that are enabled, or that another exported unit brings up
	units    []exportedUnit
	warnings []string
	errs     []error
}

func (l *linter) warn(at, format string, args ...any) {
	l.warnings = append(l.warnings, at+": "+fmt.Sprintf(format, args...))
}

func (l *linter) deployment(d *Deployment) {
	l.duplicates(d)
	for _, e := range d.exports() {
		l.export(e)
	}
	l.labels(d)
	l.nearMisses(d)
}

// duplicates finds resources that a deployment provides twice, which Forklift looks for between deployments only, and
// exports of which the later hides the earlier one.
func (l *linter) duplicates(d *Deployment) {
	exports := map[string]export{}
	for _, e := range d.exports() {
		if old, ok := exports[e.Target]; ok {
			l.warn(e.place("target"), "deployment %s exports %s twice, and this one wins (%s)", d.Name, e.Target, old.place("target"))
		}
		exports[e.Target] = e
	}
	seen := map[string]resource.Resource{}
	for _, r := range d.provided() {
		r.Tags = nil
		key := r.String()
		if old, ok := seen[key]; ok && r.Kind != resource.FileExport {
			l.warn(r.Place.String(), "deployment %s provides %s twice (%s)", d.Name, r, old.Place)
		}
		seen[key] = r
	}
}

// ports finds listeners on the same port that differ in the name of the protocol only.
func (l *linter) ports(p *Pallet) {
	transport := map[string]bool{"udp": true}
	byPort := map[int]resource.Resource{}
	for _, d := range p.enabled() {
		for _, r := range d.provided() {
			if r.Kind != resource.Listener || transport[r.Protocol] {
				continue
			}
			if old, ok := byPort[r.Port]; ok && old.Protocol != r.Protocol && old.Deployment != r.Deployment {
				l.warn(r.Place.String(), "%s of deployment %s may be the same port as %s of deployment %s (%s)",
					r, r.Deployment, old, old.Deployment, old.Place)
			}
			byPort[r.Port] = r
			if r.Protocol != "tcp" {
				l.warn(r.Place.String(), "listener %d/%s of deployment %s does not conflict with one on %d/tcp: name the protocol tcp",
					r.Port, r.Protocol, d.Name, r.Port)
			}
		}
	}
}

// export looks at the content of an exported unit or link.
func (l *linter) export(e export) {
	if _, download := downloads[e.SourceType]; download {
		l.download(e)
		return
	}
	v := e.deployment.Package.view
	at := v.find(path.Join(e.deployment.Package.dir, e.Source))
	root, err := l.roots.open(at.dir)
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	f, err := lstat(root, at.name)
	switch {
	case err != nil:
		l.errs = append(l.errs, e.errorf("source", "export %s of deployment %s: %w", e.Target, e.deployment.Name, err))
	case f.Mode.Type() == fs.ModeSymlink:
		l.enablement(e, f.Target)
	case f.Mode.IsRegular() && enables(e.Target):
		l.links[path.Base(e.Target)] = true
		l.warn(e.place("target"), "the export %s is a file, and there systemd takes links alone", e.Target)
	case f.Mode.IsRegular() && isUnit(e.Target):
		l.unit(e, root, at.name)
	case f.Mode.IsRegular():
		l.modes[e.Target] = f.Mode.Perm()
		if e.Permissions != 0 {
			l.modes[e.Target] = fs.FileMode(e.Permissions)
		}
	}
}

func (l *linter) download(e export) {
	if e.Checksum == "" && !strings.Contains(e.URL, "@sha256:") {
		l.warn(e.place("url"), "export %s of deployment %s downloads %s, which may become another one: add a checksum",
			e.Target, e.deployment.Name, e.URL)
	}
}

// place is where a key of the export is.
func (e export) place(key string) string {
	return e.deployment.Package.file.place(append(slices.Clone(e.at), key))
}

// unused finds packages that are in the pallet and deployed by no deployment, disabled or not.
func (l *linter) unused(p *Pallet) {
	deployed := map[string]bool{}
	for _, d := range p.Deployments {
		deployed[d.declared] = true
	}
	paths := map[string]bool{}
	for _, name := range p.PackagePaths() {
		paths[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		if strings.HasPrefix(name, "/") && !deployed[name] {
			l.warn(p.Location(path.Join(name[1:], packageFile))+":1:1", "no deployment is of package %s", name)
		}
	}
}
