// Package compose says what a Compose app consists of: which containers, volumes and networks it needs and makes.
//
// Compose's own library (https://github.com/compose-spec/compose-go) reads the files, with an empty environment, since
// a deployment means the same on every machine. The package starts nothing and reads no file on its own.
package compose

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/goccy/go-yaml/parser"

	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/expand"
)

// App is what a Compose app consists of, as a bundle's manifest has it. All lists are sorted.
type App struct {
	Name               string   `yaml:"name,omitempty" json:"name"`
	Services           []string `yaml:"services,omitempty" json:"services,omitempty"`
	Images             []string `yaml:"images,omitempty" json:"images,omitempty"`
	CreatedBindMounts  []string `yaml:"created-bind-mounts,omitempty" json:"createdBindMounts,omitempty"`
	RequiredBindMounts []string `yaml:"required-bind-mounts,omitempty" json:"requiredBindMounts,omitempty"`
	CreatedVolumes     []string `yaml:"created-volumes,omitempty" json:"createdVolumes,omitempty"`
	RequiredVolumes    []string `yaml:"required-volumes,omitempty" json:"requiredVolumes,omitempty"`
	CreatedNetworks    []string `yaml:"created-networks,omitempty" json:"createdNetworks,omitempty"`
	RequiredNetworks   []string `yaml:"required-networks,omitempty" json:"requiredNetworks,omitempty"`
}

// File is a compose file.
type File struct {
	Name    string // as the package names it
	Content []byte
}

// Source is where the files of an app are from.
type Source struct {
	Name  string // of the app
	Dir   string // of the files, below that of the bundle
	Files []File // in the order in which they are merged, the last winning

	// Find is where a file lies that another one includes or extends.
	Find func(name string) (string, error)
}

// bundle stands for the directory of the bundle, which may be anywhere.
const bundle = "/bundle"

// maxValues is how many values a file may have, with aliases replaced by what they stand for: the library takes time
// that grows with the square of it. Real files have hundreds.
const maxValues = 10_000

// Load reads the files of an app.
func Load(ctx context.Context, s Source) (app *App, err error) {
	defer func() {
		// The library panics on some broken input.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("read compose files of %s: they cannot be parsed (%v)", s.Name, cause)
		}
	}()
	details := types.ConfigDetails{WorkingDir: path.Join(bundle, s.Dir), Environment: types.Mapping{}}
	for _, f := range s.Files {
		if err := f.check(); err != nil {
			return nil, err
		}
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: f.Name, Content: f.Content})
	}
	project, err := loader.LoadWithContext(ctx, details, func(o *loader.Options) {
		o.SetProjectName(s.Name, true)
		o.SkipResolveEnvironment = true // reading files of variables, which change nothing of what is asked here
		o.MaxNodeVisits = 10 * maxValues
		o.ResourceLoaders = []loader.ResourceLoader{included{s.Find}}
	})
	if err != nil {
		return nil, fmt.Errorf("read compose files of %s: %w", s.Name, err)
	}
	return summary(project), nil
}

// check refuses a file that stands for more than it says.
func (f File) check() error {
	parsed, err := parser.ParseBytes(f.Content, 0)
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n") // the others draw the place
		return fmt.Errorf("%s: %s", f.Name, first)
	}
	if expand.Size(parsed) > maxValues {
		return fmt.Errorf("%s:1:1: it stands for more than %d values", f.Name, maxValues)
	}
	return nil
}

// included finds files that others include or extend.
type included struct {
	find func(name string) (string, error)
}

// Accept takes all files: none is looked for elsewhere.
func (included) Accept(string) bool { return true }

// Load is where a file lies.
func (s included) Load(_ context.Context, name string) (string, error) { return s.find(name) }

// Dir is the directory of a file, below that of the app.
func (included) Dir(name string) string { return filepath.Dir(name) }

func summary(p *types.Project) *App {
	services, images := set{}, set{}
	binds := split{set{}, set{}}
	for _, s := range p.Services {
		services.add(s.Name)
		images.add(s.Image)
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				required := v.Bind != nil && !bool(v.Bind.CreateHostPath)
				binds.add(strings.TrimPrefix(v.Source, bundle+"/"), required)
			}
		}
	}
	volumes, networks := split{set{}, set{}}, split{set{}, set{}}
	for name, v := range p.Volumes {
		volumes.add(cmp.Or(v.Name, name), bool(v.External))
	}
	for name, n := range p.Networks {
		if n.External && name == "default" && n.Name == "none" {
			continue // Docker's own, by which an app says that it wants none
		}
		networks.add(cmp.Or(n.Name, name), bool(n.External))
	}
	return &App{
		Name: p.Name, Services: services.sorted(), Images: images.sorted(),
		CreatedBindMounts: binds.onlyCreated(), RequiredBindMounts: binds.required.sorted(),
		CreatedVolumes: volumes.created.sorted(), RequiredVolumes: volumes.required.sorted(),
		CreatedNetworks: networks.created.sorted(), RequiredNetworks: networks.required.sorted(),
	}
}

type set map[string]bool

func (s set) add(name string) {
	if name != "" {
		s[name] = true
	}
}

func (s set) sorted() []string { return slices.Sorted(maps.Keys(s)) }

// split is what an app makes itself, and what has to be there.
type split struct{ created, required set }

func (s split) add(name string, required bool) {
	if required {
		s.required.add(name)
	} else {
		s.created.add(name)
	}
}

// onlyCreated is what no service needs to be there.
func (s split) onlyCreated() []string {
	created := maps.Clone(s.created)
	for name := range s.required {
		delete(created, name)
	}
	return created.sorted()
}
