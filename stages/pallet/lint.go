package pallet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// Lint returns warnings of likely mistakes that Check and Forklift accept, each with its position. The error joins files
// that cannot be read, such as missing sources of exports.
func (p *Pallet) Lint(ctx context.Context) (warnings []string, err error) {
	l := linter{roots: roots{}, targets: map[string]bool{}, modes: map[string]fs.FileMode{}, links: map[string]bool{}}
	for _, d := range p.enabled() {
		for _, e := range d.exports() {
			l.targets[e.Target] = true
		}
	}
	for _, d := range p.enabled() {
		l.deployment(d)
		l.compose(ctx, d)
	}
	l.ports(p)
	l.similarPaths(p)
	l.checkUnits()
	l.unused(p)
	l.secrets(ctx, p)
	l.keys(p)
	l.names(p)
	l.paths(p)
	slices.Sort(l.warnings)
	return slices.Compact(l.warnings), errors.Join(append(l.errs, l.roots.close())...)
}

// linter collects the warnings of one pallet.
type linter struct {
	roots    roots
	targets  map[string]bool        // of all exports
	modes    map[string]fs.FileMode // permissions of exported files, by target; not of downloads
	links    map[string]bool        // units that are enabled, or that another exported unit starts
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
	l.misspelledPaths(d)
}

// duplicates warns of resources that one deployment provides twice, which Check ignores, and of exports that replace
// another export.
func (l *linter) duplicates(d *Deployment) {
	exports := map[string]export{}
	for _, e := range d.exports() {
		if old, ok := exports[e.Target]; ok {
			l.warn(e.position("target"), "deployment %s exports %s twice; this export replaces the other (%s)",
				d.Name, e.Target, old.position("target"))
		}
		exports[e.Target] = e
	}
	seen := map[string]resource.Resource{}
	for _, r := range d.provided() {
		r.Tags = nil
		key := r.String()
		if old, ok := seen[key]; ok && r.Kind != resource.FileExport {
			l.warn(r.Position.String(), "deployment %s provides %s twice (%s)", d.Name, r, old.Position)
		}
		seen[key] = r
	}
}

// ports warns of listeners on the same port that differ in the name of the protocol only.
func (l *linter) ports(p *Pallet) {
	transport := map[string]bool{"udp": true}
	byPort := map[int]resource.Resource{}
	for _, d := range p.enabled() {
		for _, r := range d.provided() {
			if r.Kind != resource.Listener || transport[r.Protocol] {
				continue
			}
			if old, ok := byPort[r.Port]; ok && old.Protocol != r.Protocol && old.Deployment != r.Deployment {
				l.warn(r.Position.String(), "%s of deployment %s may be the same port as %s of deployment %s (%s)",
					r, r.Deployment, old, old.Deployment, old.Position)
			}
			byPort[r.Port] = r
			if r.Protocol != "tcp" {
				l.warn(r.Position.String(), "listener %d/%s of deployment %s cannot conflict with a listener on %d/tcp; name the protocol tcp",
					r.Port, r.Protocol, d.Name, r.Port)
			}
		}
	}
}

// export checks an export by its type: download, enablement link, unit or other file.
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
	case f.Mode.IsRegular() && isEnablement(e.Target):
		l.links[path.Base(e.Target)] = true
		l.warn(e.position("target"), "export %s is a regular file; systemd accepts only links there", e.Target)
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
		l.warn(e.position("url"), "export %s of deployment %s downloads %s, whose content can change; add a checksum",
			e.Target, e.deployment.Name, e.URL)
	}
}

// position returns the position of a key of the export.
func (e export) position(key string) string {
	return e.deployment.Package.file.position(append(slices.Clone(e.at), key))
}

// unused warns of packages of the pallet without a deployment, enabled or disabled.
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
			l.warn(p.Location(path.Join(name[1:], packageFile))+":1:1", "package %s has no deployment", name)
		}
	}
}
