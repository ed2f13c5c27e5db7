package apply

import (
	"context"
	"fmt"
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

// Apps are the Compose apps of the bundle in a directory, in the order of their deployments.
func Apps(ctx context.Context, dir string) ([]App, error) {
	_, p, err := pallet.ReadBundle(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := p.Check().Err(); err != nil {
		return nil, fmt.Errorf("check bundle %s: %w", dir, err)
	}
	order := p.Plan()
	if cycle := order.Cycle(); cycle != nil {
		return nil, fmt.Errorf("bundle %s: each of these apps has to come after the next: %s", dir, strings.Join(cycle, ", "))
	}
	composed, err := p.Apps(ctx)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
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
