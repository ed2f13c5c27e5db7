package apply

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	if err := p.Check().Err(); err != nil {
		return nil, fmt.Errorf("check bundle %s: %w", dir, err)
	}
	apps, err := AppsOf(ctx, p, dir)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	return apps, nil
}

// AppsOf are the Compose apps of a pallet that was found good, whose bundle a directory shows.
func AppsOf(ctx context.Context, p *pallet.Pallet, dir string) ([]App, error) {
	order := p.Plan()
	if cycle := order.Cycle(); cycle != nil {
		return nil, fmt.Errorf("each of these apps has to come after the next: %s", strings.Join(cycle, ", "))
	}
	composed, err := p.Apps(ctx)
	if err != nil {
		return nil, err
	}
	var apps []App
	for _, d := range p.Deployments {
		c, ok := composed[d.Name]
		if !ok {
			continue
		}
		app := App{Deployment: d.Name, Project: d.AppName(), Images: c.Images, After: order[d.Name]}
		app.Dir = filepath.Join(dir, d.Package.BundleDir())
		for _, name := range d.ComposeFiles() {
			app.Files = append(app.Files, filepath.Join(app.Dir, name))
		}
		apps = append(apps, app)
	}
	return apps, unique(apps)
}

// unique: Compose would take two apps of one name for one.
func unique(apps []App) error {
	names := map[string]string{}
	for _, a := range apps {
		if other, taken := names[a.Project]; taken {
			return fmt.Errorf("deployments %s and %s would be one Compose app, %s: rename one", other, a.Deployment, a.Project)
		}
		names[a.Project] = a.Deployment
	}
	return nil
}
