package pallet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ReadBundle reads a bundle that Forklift or this package wrote: its manifest, and its deployments and packages as a
// Pallet, for which Check, Plan and Apps have the same results as for the original. Packages are in their BundleDirs.
func ReadBundle(ctx context.Context, dir string) (m Manifest, p *Pallet, err error) {
	l := Reader{}.loader(ctx)
	defer func() { err = errors.Join(err, l.roots.close()) }()
	v, err := scan(l.roots, dir)
	if err != nil {
		return m, nil, fmt.Errorf("read bundle: %w", err)
	}
	root, err := l.roots.open(dir)
	if err != nil {
		return m, nil, fmt.Errorf("read bundle: %w", err)
	}
	data, err := readLimited(root.FS(), ManifestFile, maxManifest)
	if err != nil {
		return m, nil, fmt.Errorf("read %s: %w", v.fullPath(ManifestFile), withoutPath(err))
	}
	if m, err = ParseManifest([]byte(data)); err != nil {
		return m, nil, fmt.Errorf("read bundle %s: %w", dir, err)
	}
	t := &layered{path: m.Pallet.Path, own: v, merged: v, file: &file{name: v.fullPath(ManifestFile)}}
	p = &Pallet{Dir: dir, Path: m.Pallet.Path, Description: m.Pallet.Description, layered: t, staged: true}
	for _, name := range slices.Sorted(maps.Keys(m.Deploys)) {
		p.Deployments = append(p.Deployments, l.staged(t, name, m.Deploys[name]))
	}
	if err := l.mistakes.err(); err != nil {
		return m, nil, err
	}
	return m, p, nil
}

// staged returns a deployment of a bundle.
func (l *loader) staged(t *layered, name string, declared deploymentDeclaration) *Deployment {
	d := &Deployment{
		Name: name, Features: declared.Features, Disabled: declared.Disabled, declared: declared.Package, file: t.file,
	}
	if d.Disabled {
		return d
	}
	dir := (&Package{Path: declared.Package}).BundleDir()
	var err error
	if text := pathProblem(dir); text != "" {
		err = t.file.errorf(nil, "package %q of deployment %s %s", declared.Package, name, text)
	} else {
		d.Package, err = l.readPackage(d, t.merged, dir)
	}
	if err != nil {
		l.mistakes.add(err)
		return d
	}
	l.limit(t, d)
	return d
}
