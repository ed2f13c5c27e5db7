package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// App is a Compose app of a stage.
type App struct {
	Deployment string   // its name
	Project    string   // the app's name, as Compose has it
	Dir        string   // of its package, on the device: what Compose takes paths relative to
	Files      []string // absolute paths of its compose files, in the order in which they are merged
	Images     []string // of its containers, sorted
	After      []string // deployments that it comes after
	Mistake    error    // for which it cannot start; nil without one
}

// Compose is what docker is told to work on the app: the arguments before the command. Another name of the same files is
// another app to it.
func (a App) Compose() []string {
	args := []string{"compose", "--progress", "quiet", "--project-name", a.Project, "--project-directory", a.Dir, "--env-file", os.DevNull}
	for _, f := range a.Files {
		args = append(args, "--file", f)
	}
	return args
}

// Apps are the Compose apps of the bundle in a directory, in the order of their deployments.
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

// AppsOf returns the Compose apps of a pallet whose bundle is in a directory. It fails if pallet.Validate finds a mistake of
// the whole pallet; those of single apps are in App.Mistake.
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
