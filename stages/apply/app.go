package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// App is a Compose app that a stage runs on the device.
type App struct {
	Deployment string   // its name
	Project    string   // its Compose project name
	Dir        string   // directory of its package on the device: Compose's project directory
	Files      []string // absolute paths of its compose files, in the order in which they are merged
	Images     []string // of its containers, sorted
	After      []string // deployments that must be up before it starts
	Mistake    error    // why it cannot start; nil if it can
}

// Compose returns the docker arguments that select the app for Compose commands: project name, directory and files.
// Compose tells apps apart by their project name, so it recreates the containers of an app whose name changed.
func (a App) Compose() []string {
	args := []string{"compose", "--progress", "quiet", "--project-name", a.Project, "--project-directory", a.Dir, "--env-file", os.DevNull}
	for _, f := range a.Files {
		args = append(args, "--file", f)
	}
	return args
}

// Apps returns the Compose apps of the bundle (a pallet made ready for a device) in a directory, in the order of their
// deployments' names.
func Apps(ctx context.Context, dir string) ([]App, error) {
	_, p, err := pallet.ReadBundle(ctx, dir)
	if err != nil {
		return nil, err
	}
	apps, err := AppsOf(ctx, p, dir)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	return apps, nil
}

// AppsOf returns the Compose apps of a pallet whose bundle is in dir. It fails if the pallet as a whole is invalid;
// mistakes of single apps are in App.Mistake.
func AppsOf(ctx context.Context, p *pallet.Pallet, dir string) ([]App, error) {
	v := p.Validate(ctx)
	if err := v.BlockingErr(); err != nil {
		return nil, err
	}
	var apps []App
	for _, d := range p.Deployments {
		c, ok := v.Apps[d.Name]
		if !ok {
			continue
		}
		app := App{
			Deployment: d.Name, Project: d.AppName(), Dir: filepath.Join(dir, d.Package.BundleDir()), Images: c.Images,
			After: v.Order[d.Name], Mistake: errors.Join(v.Broken[d.Name]...),
		}
		for _, name := range d.ComposeFiles() {
			app.Files = append(app.Files, filepath.Join(app.Dir, name))
		}
		apps = append(apps, app)
	}
	return apps, nil
}
