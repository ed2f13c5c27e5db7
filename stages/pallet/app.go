package pallet

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/pallet/compose"
)

// ComposeFiles returns the compose files of a deployment, relative to its package, in the order of merging: those of the
// package, then those of the enabled features in the order of their names. Without any the deployment is no Compose app.
func (d *Deployment) ComposeFiles() []string {
	var all []string
	for _, p := range d.parts() {
		all = append(all, p.ComposeFiles...)
	}
	return all
}

// AppName returns the Compose project name under which the deployment's app runs.
func (d *Deployment) AppName() string { return strings.ReplaceAll(d.Name, "/", "_") }

// Apps returns the Compose apps of the enabled deployments by deployment name. It leaves out deployments without compose
// files and apps that cannot be loaded; the error joins the errors of the latter.
func (p *Pallet) Apps(ctx context.Context) (apps map[string]*compose.App, err error) {
	r := roots{}
	var all mistakes
	apps = map[string]*compose.App{}
	for _, d := range p.enabled() {
		project, err := d.project(ctx, r)
		all.add(err)
		if project != nil {
			apps[d.Name] = project.App
		}
	}
	all.add(r.close())
	return apps, all.err()
}

// project loads the Compose app of a deployment; nil if it has no compose files.
func (d *Deployment) project(ctx context.Context, r roots) (*compose.Project, error) {
	s := compose.Source{
		Name: d.AppName(),
		Dir:  d.Package.BundleDir(),
		Find: func(name string) (string, error) {
			f, err := d.composeFile(r, name)
			return f.name, err
		},
	}
	for _, p := range d.parts() {
		for i, name := range p.ComposeFiles {
			f, err := d.composeFile(r, name)
			if err != nil {
				return nil, d.Package.file.errorf(append(p.at, "compose-files", i), "%w", err)
			}
			s.Files = append(s.Files, compose.File{Name: f.name, Content: f.data})
		}
	}
	if len(s.Files) == 0 {
		return nil, nil
	}
	loaded, err := compose.Load(ctx, s)
	if err != nil {
		return nil, d.file.errorf(nil, "deployment %s: %w", d.Name, err)
	}
	return loaded, nil
}

// composePosition returns the position of a value in the compose files of a deployment: in the last one that has it, or
// else the nearest value above it.
func (d *Deployment) composePosition(r roots, at []any) string {
	position, best := d.file.position(nil), -1
	for _, name := range d.ComposeFiles() {
		f, err := d.composeFile(r, name)
		if err != nil {
			continue
		}
		if found, depth := f.find(at); depth >= best {
			position, best = found, depth
		}
	}
	return position
}

// composeFile reads a compose file of the package and checks its YAML, so that the Compose library gets no hostile input.
func (d *Deployment) composeFile(r roots, name string) (*file, error) {
	if text := pathProblem(path.Clean(name)); text != "" {
		return &file{name: name}, fmt.Errorf("compose file %q %s", name, text)
	}
	var ignored any
	f, err := d.Package.view.read(r, path.Join(d.Package.dir, name), &ignored)
	if err == nil && strings.Contains(string(f.data), "label_file") {
		err = fmt.Errorf("%s: label_file is not supported; write the labels into the compose file", f.name)
	}
	return f, err
}
