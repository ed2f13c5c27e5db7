// Package compose loads Compose apps and lists their services, images, mounts, volumes and networks.
//
// It parses files with Compose's library (https://github.com/compose-spec/compose-go) and an empty environment, since a
// deployment has the same meaning on every machine. It starts no containers, and opens only files that Source.Find names.
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

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/goccy/go-yaml/parser"

	"github.com/PlanktoScope/pkbuild/stages/pallet/internal/expand"
)

// App is the summary of a Compose app that Forklift writes into a bundle's manifest: services, images, bind mounts,
// volumes and networks. All lists are sorted.
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

// File is the name and content of one compose file.
type File struct {
	Name    string // for messages
	Content []byte
}

// Source is the compose files of an app, as the input of Load.
type Source struct {
	Name  string // of the app
	Dir   string // of the files, relative to the bundle
	Files []File // in the order of merging: the last one wins

	// Find returns the path of a file that another one includes or extends.
	Find func(name string) (string, error)
}

// outside is the first directory of bundle: a path in it and not in bundle leads out of the bundle.
const outside = "/outside"

// bundle is a placeholder for the directory of the bundle, deep enough for paths with ".." that lead out of it.
var bundle = path.Join(outside, strings.Repeat("parent/", 16), "bundle")

// Project is a loaded Compose app with what it needs of a device: files, ports, container names, networks and volumes.
type Project struct {
	App        *App
	Images     map[string]string // image names by service
	Needs      []Need            // files of the bundle
	Ports      []Port            // published on fixed ports of the host
	Containers []Container       // with fixed names
	Networks   Uses
	Volumes    Uses
	Mistakes   []Mistake // reasons for which the app cannot start on any device
}

// Mistake is a reason for which an app cannot start on any device, with the keys and indices that lead to the wrong value in
// a compose file.
type Mistake struct {
	Path []any // keys and indices of the value, from the top of a file
	Text string
}

// Need is a file or directory of the bundle that a compose file refers to and that must exist when the app starts.
type Need struct {
	Path []any  // of the value that names it, as in Mistake
	Name string // relative to the bundle
	Use  string // such as "bind mount of service web"
	File bool   // it has to be a regular file
	Env  bool   // it is an env file of the default format
}

// Port is a fixed port of the host that a service of an app publishes.
type Port struct {
	Path     []any // of its value, as in Mistake
	Service  string
	IP       string // "" means all addresses
	Number   int
	Protocol string // tcp, udp or sctp
}

// Container is a container whose name a compose file fixes with container_name.
type Container struct {
	Path []any // of its value, as in Mistake
	Name string
}

// Uses lists, by name in Docker, the networks or volumes that an app creates and the external ones that it expects, each
// with the keys that lead to its declaration in the compose file.
type Uses struct {
	Created  map[string][]any // by the app
	External map[string][]any // that must exist
}

// workingDir returns the directory of the files with the placeholder for the bundle.
func (s Source) workingDir() string { return path.Join(bundle, s.Dir) }

// maxValues is the greatest number of values in a file after the expansion of aliases: the time of the library grows with
// its square. Real files have hundreds.
const maxValues = 10_000

// Load parses the compose files of an app, merges them, and returns the app with what it needs of a device. It fails if they
// cannot be parsed or merged; reasons for which the app cannot start are in the result's Mistakes.
func Load(ctx context.Context, s Source) (loaded *Project, err error) {
	defer func() {
		// The library panics on some broken input.
		if cause := recover(); cause != nil {
			err = fmt.Errorf("read compose files of %s: compose-go panicked: %v", s.Name, cause)
		}
	}()
	for _, f := range s.Files {
		if err := f.check(); err != nil {
			return nil, err
		}
	}
	project, err := s.project(ctx)
	if err != nil {
		return nil, fmt.Errorf("read compose files of %s: %s", s.Name, strings.ReplaceAll(err.Error(), bundle+"/", ""))
	}
	loaded = &Project{App: summary(project), Images: map[string]string{}}
	loaded.collect(project)
	return loaded, nil
}

// check returns an error for YAML that does not parse or expands to too many values.
func (f File) check() error {
	parsed, err := parser.ParseBytes(f.Content, 0)
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n") // the other lines quote the text
		return fmt.Errorf("%s: %s", f.Name, first)
	}
	if expand.Size(parsed) > maxValues {
		return fmt.Errorf("%s:1:1: file expands to more than %d values", f.Name, maxValues)
	}
	return nil
}

// included is the loader.ResourceLoader of files that others include or extend.
type included struct {
	find func(name string) (string, error)
}

// Accept implements loader.ResourceLoader: no other loader is used.
func (included) Accept(string) bool { return true }

// Load implements loader.ResourceLoader: it returns the path that Source.Find returns for an included or extended file.
func (s included) Load(_ context.Context, name string) (string, error) { return s.find(name) }

// Dir implements loader.ResourceLoader: it returns the directory of a file, relative to the app's.
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
			continue // the app has no network
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

// split separates resources that the app creates from those that must exist.
type split struct{ created, required set }

func (s split) add(name string, required bool) {
	if required {
		s.required.add(name)
	} else {
		s.created.add(name)
	}
}

// onlyCreated returns the created resources that no service requires to exist.
func (s split) onlyCreated() []string {
	created := maps.Clone(s.created)
	for name := range s.required {
		delete(created, name)
	}
	return created.sorted()
}
