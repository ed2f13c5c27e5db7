package pallet

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// handled is what a label of Caddy says that a container serves.
var handled = regexp.MustCompile(`(?m)caddy(?:_\d+)?\.handle(?:_path)?(?:_\d+)?:\s*["']?(/[^\s"']*)`)

// labels compares the paths that a container serves with those that its deployment declares.
func (l *linter) labels(d *Deployment) {
	declared := []string{}
	for _, r := range d.provided() {
		if r.Kind == resource.Service {
			declared = append(declared, r.Paths...)
		}
	}
	for _, p := range d.parts() {
		for _, name := range p.ComposeFiles {
			f, err := d.composeFile(l.roots, name)
			if err != nil {
				l.errs = append(l.errs, err)
				continue
			}
			for _, m := range handled.FindAllSubmatchIndex(f.data, -1) {
				served := string(f.data[m[2]:m[3]])
				if served == "/" || served == "/*" || slices.ContainsFunc(declared, func(p string) bool { return samePath(p, served) }) {
					continue
				}
				line := 1 + strings.Count(string(f.data[:m[0]]), "\n")
				l.warn(fmt.Sprintf("%s:%d:1", f.name, line), "it serves %s, which deployment %s does not declare; it declares %s",
					served, d.Name, strings.Join(declared, ", "))
			}
		}
	}
}

// samePath reports whether a declared path is or contains one that is served.
func samePath(declared, served string) bool {
	plain := func(p string) string { return strings.TrimSuffix(strings.TrimSuffix(p, "*"), "/") }
	return plain(declared) == plain(served) || strings.HasSuffix(declared, "*") && strings.HasPrefix(served, plain(declared))
}

// nearMisses finds paths of filesets that look like targets of exports of the same package and are none.
func (l *linter) nearMisses(d *Deployment) {
	for _, r := range d.provided() {
		if r.Kind != resource.Fileset {
			continue
		}
		for _, declared := range r.Paths {
			plain := strings.Trim(strings.TrimSuffix(declared, "*"), "/")
			if near := l.near("overlays/" + plain); near != "" {
				l.warn(r.Place.String(), "fileset path %s of deployment %s is not what is exported; is /%s meant?",
					declared, d.Name, strings.TrimPrefix(near, "overlays/"))
			}
		}
	}
}

// near is the target of an export, or a directory above one, that differs from a path by a swapped or missing letter.
func (l *linter) near(name string) string {
	found := ""
	for target := range l.targets {
		for at := target; at != "."; at = path.Dir(at) {
			if at == name {
				return ""
			}
			if path.Dir(at) == path.Dir(name) && distance(path.Base(at), path.Base(name)) == 1 {
				found = at
			}
		}
	}
	return found
}

// distance is 1 if two names differ by one letter more, less or other, or by two that are swapped; else 0 or 2.
func distance(a, b string) int {
	if a == b {
		return 0
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || len(b) < 5 {
		return 2
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	rest := func(s string, n int) string { return s[min(len(s), i+n):] }
	switch {
	case len(a) < len(b) && rest(a, 0) == rest(b, 1),
		len(a) == len(b) && rest(a, 1) == rest(b, 1),
		len(a) == len(b) && i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && rest(a, 2) == rest(b, 2):
		return 1
	}
	return 2
}
