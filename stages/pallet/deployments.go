package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	deploymentsDir   = "deployments"
	deploymentSuffix = ".deploy.yml"
)

// Limits of a pallet. Real pallets have dozens of deployments and hundreds of resources; the time of a check grows with
// the square of their number.
const (
	maxDeployments = 10_000
	maxResources   = 20_000
)

// deployments reads all deployments of a pallet, sorted by name.
func (l *loader) deployments(t *layered) []*Deployment {
	var all []*Deployment
	if e, ok := t.merged.entries[deploymentsDir]; ok && !e.mode.IsDir() {
		l.mistakes.add(fmt.Errorf("read %s: file is a %s, want a directory", t.merged.fullPath(deploymentsDir), typeName(e.mode)))
	}
	for name := range t.merged.files(deploymentsDir) {
		base, ok := strings.CutSuffix(strings.TrimPrefix(name, deploymentsDir+"/"), deploymentSuffix)
		switch {
		case !ok:
		case len(all) == maxDeployments:
			l.mistakes.add(fmt.Errorf("%s: pallet has more than %d deployments", t.own.fullPath(deploymentsDir), maxDeployments))
			return all
		case path.Base(name) == deploymentSuffix:
			l.mistakes.add(fmt.Errorf("%s: deployment has no name", t.merged.fullPath(name)))
		default:
			all = append(all, l.deployment(t, base, name))
		}
	}
	slices.SortFunc(all, func(a, b *Deployment) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (l *loader) deployment(t *layered, name, fileName string) *Deployment {
	var declared deploymentDeclaration
	f, err := t.merged.read(l.roots, fileName, &declared)
	d := &Deployment{
		Name: name, Features: declared.Features, Disabled: declared.Disabled, declared: declared.Package, file: f,
	}
	if err != nil {
		l.mistakes.add(err)
		return d
	}
	if d.Disabled {
		return d // as in Forklift, its package need not exist
	}
	if d.Package, err = l.packageOf(t, d); err != nil {
		l.mistakes.add(err)
		return d
	}
	for i, feature := range d.Features {
		if _, ok := d.Package.Features[feature]; !ok {
			l.mistakes.add(f.errorf(keyPath{"features", i}, "package %s has no feature %q; its features are: %s",
				d.Package.Path, feature, featureList(d.Package)))
		}
	}
	l.limit(t, d)
	return d
}

// limit checks the exports of a deployment and adds its resources to the count that maxResources limits.
func (l *loader) limit(t *layered, d *Deployment) {
	if l.resources > maxResources {
		return
	}
	for _, e := range d.exports() {
		l.mistakes.add(e.check())
	}
	for _, r := range append(d.provided(), d.required()...) {
		l.resources += r.Size()
	}
	if l.resources > maxResources {
		l.mistakes.add(fmt.Errorf("%s: deployments have more than %d resources", t.own.fullPath(deploymentsDir), maxResources))
	}
}

// featureList returns the names of a package's features, sorted, or "none".
func featureList(p *Package) string {
	if len(p.Features) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(p.Features)), ", ")
}

// packageKey identifies a package.
type packageKey struct {
	view *view
	dir  string
}

// packageOf returns the package of a deployment.
func (l *loader) packageOf(t *layered, d *Deployment) (*Package, error) {
	at := keyPath{"package"}
	name, local := strings.CutPrefix(d.declared, "/")
	switch {
	case d.declared == "":
		return nil, d.file.errorf(at, "deployment has no package")
	case pathProblem(name) != "":
		return nil, d.file.errorf(at, "package %q %s", d.declared, pathProblem(name))
	case local:
		return l.readPackage(d, t.merged, name)
	}
	req, err := repositoryOf(t, name)
	if err != nil {
		return nil, d.file.errorf(at, "package %s is in no required repository or pallet; the path of one of this "+
			"pallet's own packages begins with /", d.declared)
	}
	v, err := l.repositoryView(t, req)
	if err != nil {
		return nil, err
	}
	return l.readPackage(d, v, strings.TrimPrefix(name, req.Path+"/"))
}

// readPackage reads a package. Deployments of the same package share the result.
func (l *loader) readPackage(d *Deployment, v *view, dir string) (*Package, error) {
	at := keyPath{"package"}
	if e, ok := v.entries[dir]; ok && e.mode.Type() == fs.ModeSymlink {
		return nil, d.file.errorf(at, "package %s is a symlink; deploy its target", d.declared)
	}
	key := packageKey{v, dir}
	if p, ok := l.packages[key]; ok {
		return p, nil
	}
	var declared packageDeclaration
	f, err := v.read(l.roots, path.Join(dir, packageFile), &declared)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, d.file.errorf(at, "package %s does not exist: %s is missing", d.declared, f.name)
	}
	if err != nil {
		return nil, err
	}
	p := &Package{
		Path: d.declared, Information: declared.Package, Host: declared.Host, Deployment: declared.Deployment,
		Features: declared.Features, file: f, view: v, dir: dir,
	}
	l.packages[key] = p
	return p, nil
}

// enabled returns the deployments that are not disabled.
func (p *Pallet) enabled() []*Deployment {
	var on []*Deployment
	for _, d := range p.Deployments {
		if !d.Disabled {
			on = append(on, d)
		}
	}
	return on
}

// features returns the names of the enabled features in the order in which they take effect: sorted.
func (d *Deployment) features() []string {
	return slices.Compact(slices.Sorted(slices.Values(d.Features)))
}
