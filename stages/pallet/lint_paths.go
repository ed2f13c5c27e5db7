package pallet

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/pallet/resource"
)

// handled matches a label of Caddy with a path that a container serves.
var handled = regexp.MustCompile(`(?m)caddy(?:_\d+)?\.handle(?:_path)?(?:_\d+)?:\s*["']?(/[^\s"']*)`)

// labels warns of paths in Caddy labels that the deployment does not declare.
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
				l.warn(fmt.Sprintf("%s:%d:1", f.name, line), "label serves %s, but the services of deployment %s declare %s",
					served, d.Name, strings.Join(declared, ", "))
			}
		}
	}
}

// samePath reports whether a declared path equals or covers a served one.
func samePath(declared, served string) bool {
	plain := func(p string) string { return strings.TrimSuffix(strings.TrimSuffix(p, "*"), "/") }
	return plain(declared) == plain(served) || strings.HasSuffix(declared, "*") && strings.HasPrefix(served, plain(declared))
}

// misspelledPaths warns of fileset paths that differ from the target of an export by one letter.
func (l *linter) misspelledPaths(d *Deployment) {
	for _, r := range d.provided() {
		if r.Kind != resource.Fileset {
			continue
		}
		for _, declared := range r.Paths {
			plain := strings.Trim(strings.TrimSuffix(declared, "*"), "/")
			if near := l.nearestTarget("overlays/" + plain); near != "" {
				l.warn(r.Position.String(), "fileset path %s of deployment %s is not exported; did you mean /%s?",
					declared, d.Name, strings.TrimPrefix(near, "overlays/"))
			}
		}
	}
}

// similarPaths warns of pairs of similar file paths of different deployments, each of which only one deployment declares:
// they may be meant to be the same.
func (l *linter) similarPaths(p *Pallet) {
	type user struct {
		resource.Resource
		path string
	}
	byPath := map[string][]user{}
	for _, d := range p.enabled() {
		for _, r := range append(d.provided(), d.required()...) {
			if r.Kind != resource.Fileset && (r.Kind != resource.Service || r.Protocol != "filesystem") {
				continue
			}
			for _, declared := range r.Paths {
				users := byPath[declared]
				if len(users) == 0 || users[len(users)-1].Deployment != d.Name {
					byPath[declared] = append(users, user{r, declared})
				}
			}
		}
	}
	var alone []user
	for _, users := range byPath {
		if len(users) == 1 {
			alone = append(alone, users[0])
		}
	}
	slices.SortFunc(alone, func(a, b user) int { return strings.Compare(a.path, b.path) })
	for i, a := range alone {
		for _, b := range alone[i+1:] {
			if a.Deployment != b.Deployment && path.Dir(a.path) == path.Dir(b.path) && similar(path.Base(a.path), path.Base(b.path)) {
				l.warn(a.Position.String(), "path %s of deployment %s is similar to %s of deployment %s (%s)",
					a.path, a.Deployment, b.path, b.Deployment, b.Position)
			}
		}
	}
}

// similar reports whether one name may be a typo of the other: one letter differs, or one is the other with up to three
// more letters.
func similar(a, b string) bool {
	longer := strings.TrimPrefix(b, a)
	if len(a) > len(b) {
		longer = strings.TrimPrefix(a, b)
	}
	more := len(a) >= 5 && len(b) >= 5 && len(longer) <= 3 && len(longer) < max(len(a), len(b))
	return editDistance(a, b) == 1 || more && strings.Trim(longer, "abcdefghijklmnopqrstuvwxyz") == ""
}

// nearestTarget returns the target of an export, or a directory above one, at an edit distance of 1; "" if there is none
// or the path is a target itself.
func (l *linter) nearestTarget(name string) string {
	found := ""
	for target := range l.targets {
		for at := target; at != "."; at = path.Dir(at) {
			if at == name {
				return ""
			}
			if path.Dir(at) == path.Dir(name) && editDistance(path.Base(at), path.Base(name)) == 1 {
				found = at
			}
		}
	}
	return found
}

// editDistance returns 0 for equal names, 1 if they differ by an inserted, deleted or replaced letter or by two swapped
// ones, else 2.
func editDistance(a, b string) int {
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
