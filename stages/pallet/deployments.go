package pallet

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// deployments reads all deployments.
func (r *reader) deployments() []*Deployment {
	const dir, suffix = "deployments", ".deploy.yml"
	var all []*Deployment
	for name := range r.files(dir) {
		if base, ok := strings.CutSuffix(strings.TrimPrefix(name, dir+"/"), suffix); ok {
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
			r.mistake(fmt.Errorf("read %s: %w", r.name(dir), err))
		}
	}
}

// name is how messages name a file of the pallet.
func (r *reader) name(name string) string { return filepath.Join(r.root.Name(), name) }

func (r *reader) deployment(name, fileName string) *Deployment {
	var declared deploymentDeclaration
	f, err := readFile(r.root, fileName, &declared)
	d := &Deployment{Name: name, Features: declared.Features, Disabled: declared.Disabled, file: f}
	if err != nil {
		r.mistake(err)
		return d
	}
	if d.Disabled {
		return d // Forklift lets a disabled deployment be of a package that does not exist
	}
	if d.Package, err = r.packageOf(d, declared.Package); err != nil {
		r.mistake(err)
		return d
	}
	for i, feature := range d.Features {
		if _, ok := d.Package.Features[feature]; !ok {
			r.mistake(f.errorf(fmt.Sprintf("package %s has no feature %q; %s", d.Package.Path, feature, has(d.Package)),
				"features", i))
		}
	}
	for _, e := range d.exports() {
		if err := e.check(); err != nil {
			r.mistake(err)
		}
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

// packageOf reads the package that a deployment is of, once for all deployments.
func (r *reader) packageOf(d *Deployment, declared string) (*Package, error) {
	name, local := strings.CutPrefix(declared, "/")
	switch {
	case declared == "":
		return nil, d.file.errorf("the deployment has no package", "package")
	case !local:
		return nil, d.file.errorf(fmt.Sprintf("deployment %s needs package %s of another repository, and this version "+
			"cannot bundle those yet", d.Name, declared), "package")
	case !fs.ValidPath(name) || name == ".":
		return nil, d.file.errorf(fmt.Sprintf("package %q is not a clean path in the pallet", declared), "package")
	}
	if p, ok := r.packages[name]; ok {
		return p, nil
	}
	p := &Package{Path: declared}
	var err error
	p.file, err = readFile(r.root, filepath.Join(name, packageFile), p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, d.file.errorf(fmt.Sprintf("package %s does not exist: there is no %s", declared, p.file.name), "package")
	}
	if err != nil {
		return nil, err
	}
	r.packages[name] = p
	return p, nil
}
