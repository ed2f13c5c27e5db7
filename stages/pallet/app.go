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

// AppName returns the Compose project name of a deployment.
func (d *Deployment) AppName() string { return strings.ReplaceAll(d.Name, "/", "_") }

// Apps returns the Compose apps of the enabled deployments by deployment name. The error joins the errors of all apps.
func (p *Pallet) Apps(ctx context.Context) (apps map[string]*compose.App, err error) {
	r := roots{}
	var all mistakes
	apps = map[string]*compose.App{}
	for _, d := range p.enabled() {
		app, err := d.app(ctx, r)
		all.add(err)
		if app != nil {
			apps[d.Name] = app
		}
	}
	all.add(r.close())
	return apps, all.err()
}

// app loads the Compose app of a deployment; nil if it has no compose files.
func (d *Deployment) app(ctx context.Context, r roots) (*compose.App, error) {
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
	app, err := compose.Load(ctx, s)
	if err != nil {
		return nil, d.file.errorf(nil, "deployment %s: %w", d.Name, err)
	}
	return app, nil
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
