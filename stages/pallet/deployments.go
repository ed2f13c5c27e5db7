package pallet

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
)

// deployments reads all deployments.
func (r *reader) deployments() []*Deployment {
	const dir, suffix = "deployments", ".deploy.yml"
	var all []*Deployment
	for name := range r.files(dir) {
		base, ok := strings.CutSuffix(strings.TrimPrefix(name, dir+"/"), suffix)
		switch {
		case !ok:
		case path.Base(name) == suffix:
			r.mistakes.add(fmt.Errorf("%s: the deployment has no name", located(r.root, name)))
		default:
			all = append(all, r.deployment(base, name))
		}
	}
	slices.SortFunc(all, func(a, b *Deployment) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// files yields the paths of all files below a directory of the pallet that may not exist.
func (r *reader) files(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		err := fs.WalkDir(r.root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !yield(name) {
				return fs.SkipAll
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.mistakes.add(fmt.Errorf("read %s: %w", located(r.root, dir), pathless(err)))
		}
	}
}

func (r *reader) deployment(name, fileName string) *Deployment {
	var declared deploymentDeclaration
	f, err := readFile(r.root, fileName, &declared)
	d := &Deployment{Name: name, Features: declared.Features, Disabled: declared.Disabled, file: f}
	if err != nil {
		r.mistakes.add(err)
		return d
	}
	if d.Disabled {
		return d // Forklift lets a disabled deployment be of a package that does not exist
	}
	if d.Package, err = r.packageOf(d, declared.Package); err != nil {
		r.mistakes.add(err)
		return d
	}
	for i, feature := range d.Features {
		if _, ok := d.Package.Features[feature]; !ok {
			r.mistakes.add(f.errorf(steps{"features", i}, "package %s has no feature %q; %s",
				d.Package.Path, feature, has(d.Package)))
		}
	}
	for _, e := range d.exports() {
		r.mistakes.add(e.check())
	}
	return d
}

// has says which features there are to choose from.
func has(p *Package) string {
	if len(p.Features) == 0 {
		return "it has none"
	}
	return "it has " + strings.Join(slices.Sorted(maps.Keys(p.Features)), ", ")
}

// packageOf reads the package that a deployment is of.
func (r *reader) packageOf(d *Deployment, declared string) (*Package, error) {
	at := steps{"package"}
	name, local := strings.CutPrefix(declared, "/")
	switch {
	case declared == "":
		return nil, d.file.errorf(at, "the deployment has no package")
	case !local:
		return nil, d.file.errorf(at, "deployment %s needs package %s of another repository, and this version cannot "+
			"bundle those yet", d.Name, declared)
	case badPath(name) != "":
		return nil, d.file.errorf(at, "package %q %s", declared, badPath(name))
	}
	if info, err := r.root.Lstat(name); err == nil && info.Mode().Type() == fs.ModeSymlink {
		return nil, d.file.errorf(at, "package %s is a symlink; deploy what it leads to", declared)
	}
	p := &Package{Path: declared}
	var err error
	p.file, err = readFile(r.root, path.Join(name, packageFile), p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, d.file.errorf(at, "package %s does not exist: there is no %s", declared, p.file.name)
	}
	return p, err
}
