package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/images"
	stageimages "github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// App is a Compose app that a stage runs on the device.
type App struct {
	Deployment string            // its name
	Project    string            // its Compose project name
	Dir        string            // directory of its package on the device: Compose's project directory
	Files      []string          // absolute paths of its compose files, in the order in which they are merged
	Images     []string          // names of its container images, sorted
	Services   map[string]string // image names by service
	Pins       images.Pins       // what the image names mean; without pins, the app starts by name
	After      []string          // deployments that must be up before it starts
	Mistake    error             // why it cannot start; nil if it can
}

// Compose returns the docker arguments that select the app for Compose commands: project name, directory and files.
// Compose tells apps apart by their project name, so it recreates the containers of an app whose name changed. If the app
// has pins, the command must get Override as its input.
func (a App) Compose() []string {
	args := []string{"compose", "--progress", "quiet", "--project-name", a.Project, "--project-directory", a.Dir, "--env-file", os.DevNull}
	for _, f := range a.Files {
		args = append(args, "--file", f)
	}
	if len(a.Pins.Images) > 0 {
		args = append(args, "--file", "-")
	}
	return args
}

// Override returns a compose file that makes the app's services start by the image IDs that the stage pins; nil if it
// pins none.
func (a App) Override() ([]byte, error) {
	if len(a.Pins.Images) == 0 {
		return nil, nil
	}
	ids := map[string]digest.Digest{}
	for service, name := range a.Services {
		if pin, pinned := a.pin(name); pinned {
			ids[service] = pin.ID
		}
	}
	return images.ComposeOverride(ids)
}

// pin returns the pin of an image name in a compose file.
func (a App) pin(name string) (images.Pin, bool) {
	full, err := pallet.FullImage(name)
	if err != nil {
		return images.Pin{}, false
	}
	return a.Pins.Find(full)
}

// image returns what Docker finds an image by: the ID of a pinned one, else the name.
func (a App) image(name string) string {
	if pin, pinned := a.pin(name); pinned {
		return string(pin.ID)
	}
	return name
}

// Apps returns the Compose apps of the bundle (a pallet made ready for a device) in a directory, in the order of their
// deployments' names. It fails if the bundle cannot be read or its pallet as a whole is invalid; mistakes of single
// apps are in App.Mistake.
func Apps(ctx context.Context, dir string) ([]App, error) {
	_, p, err := pallet.ReadBundle(ctx, dir)
	if err != nil {
		return nil, err
	}
	apps, err := AppsOf(ctx, p, dir)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	pins, err := stageimages.ReadPins(dir)
	for i := range apps {
		apps[i].Pins = pins
	}
	return apps, err
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
			Services: v.ServiceImages(d.Name), After: v.Order[d.Name], Mistake: errors.Join(v.Broken[d.Name]...),
		}
		for _, name := range d.ComposeFiles() {
			app.Files = append(app.Files, filepath.Join(app.Dir, name))
		}
		apps = append(apps, app)
	}
	return apps, nil
}
