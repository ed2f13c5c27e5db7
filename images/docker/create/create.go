package create

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/internal/shell"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Create lists the Compose apps whose containers are created at build time, so that the device need not create them at
// its first boot.
type Create struct {
	Architecture string    `json:"architecture"` // of the programs in the tree
	Date         time.Time `json:"date"`         // of the containers
	Link         Link      `json:"link"`         // through which the device finds the apps
	Apps         []App     `json:"apps"`         // in start order

	pins images.Pins // of the images that start by ID on the device
}

// Link is a bind mount on the device through which the paths of Compose apps resolve at build time.
type Link struct {
	Path   string `json:"path"`
	Target string `json:"target"`
}

// App is a Compose app whose containers are created at build time, with the docker arguments that select it on the
// device.
type App struct {
	Name    string   `json:"name"`
	Compose []string `json:"compose"` // docker arguments that select the app, as on the device
	// Services are the image names of its services, in full. Those with a pin start by image ID, as on the device.
	Services map[string]string `json:"services,omitempty"`
}

// pinned returns the arguments and the input of Compose that start services by image ID; none without pins.
func (a App) pinned(pins images.Pins) (arguments []string, override []byte, err error) {
	if len(pins.Images) == 0 {
		return nil, nil, nil
	}
	ids := map[string]digest.Digest{}
	for service, name := range a.Services {
		if pin, found := pins.Find(name); found {
			ids[service] = pin.ID
		}
	}
	override, err = images.ComposeOverride(ids)
	return []string{"--file", "-"}, override, err
}

// fill runs the Compose of the tree below for each app, as on the device, but against a recorder of Docker's API. It adds the
// requested containers and volumes to a store, so that Compose finds on the device what it would create.
func (c Create) fill(ctx context.Context, env *layers.Env, below *tree.Tree, s *docker.Store, all []images.Image) (err error) {
	if err := sandbox.NeedRoot(); err != nil {
		return err
	}
	if err := checkPrograms(below); err != nil {
		return err
	}
	if s.Defaults, err = defaults(below, c.Link); err != nil {
		return err
	}
	emulator := ""
	if c.Architecture != sandbox.Host() {
		var release func() error
		if emulator, release, err = sandbox.Emulation(ctx, c.Architecture); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	r := newRecorder(all, c.Date)
	if err := c.runCompose(ctx, env, below, r, emulator); err != nil {
		return err
	}
	s.Defaults.API, s.Containers = r.api, r.created()
	for _, v := range r.volumes {
		s.Volumes = append(s.Volumes, v)
	}
	return nil
}

// checkPrograms returns an error if the tree lacks a program that fill runs.
func checkPrograms(t *tree.Tree) error {
	for _, program := range []string{"docker", "dockerd"} {
		found := slices.ContainsFunc([]string{"usr/bin", "usr/sbin", "usr/local/bin"}, func(dir string) bool {
			_, n := t.Resolve(path.Join(dir, program))
			return n != nil
		})
		if !found {
			return fmt.Errorf("image lacks %s: install the packages docker.io, docker-cli and docker-compose", program)
		}
	}
	return nil
}

// withHint adds a way out to an error.
func withHint(err error) error {
	return fmt.Errorf("create containers: %w; without containers.create the device creates them at its first start", err)
}

// runCompose runs Compose for each app, in the tree.
func (c Create) runCompose(ctx context.Context, env *layers.Env, below *tree.Tree, r *recorder, emulator string) error {
	aside, err := c.script()
	if err != nil {
		return err
	}
	box := sandbox.Sandbox{
		Dir: filepath.Join(env.Scratch, "compose"), Architecture: c.Architecture, Date: c.Date,
		Tools: tree.New(), Tree: slim(below), Aside: aside, Serve: r.serve, Emulator: emulator,
	}
	if !env.Keep {
		box.Free = sandbox.Available()
	}
	output := func(line string) {
		if !r.readOutput(line) {
			env.Report(layers.Progress{Message: line})
		}
	}
	if _, err := box.Run(ctx, output, "/bin/sh", path.Join(sandbox.AsideDir, "script")); err != nil {
		return fmt.Errorf("run the image's Compose: %w", err)
	}
	return nil
}

// script returns a tree with the script that prints the version of Docker and runs Compose for each app.
func (c Create) script() (*tree.Tree, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "set -eu\nmkdir -p %s\nln -s %s %s\ncd /\ndockerd --version\n",
		shell.Quote(path.Dir(c.Link.Path)), shell.Quote(c.Link.Target), shell.Quote(c.Link.Path))
	for _, app := range c.Apps {
		fmt.Fprintf(&text, "echo %s\n", shell.Quote(creating+app.Name))
		pinned, override, err := app.pinned(c.pins)
		if err != nil {
			return nil, err
		}
		// The environment is that of pkctl.
		fmt.Fprintf(&text, "printf %%s %s | env -i PATH=\"$PATH\" HOME=/root COMPOSE_ANSI=never DOCKER_HOST=%s docker",
			shell.Quote(string(override)), shell.Quote("unix://"+sandbox.SocketFile))
		for _, argument := range slices.Concat(app.Compose, pinned, []string{"up", "--no-start", "--no-build", "--pull", "never"}) {
			text.WriteString(" " + shell.Quote(argument))
		}
		text.WriteString("\n")
	}
	t := tree.New()
	return t, t.Put("script", &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: c.Date, Content: tree.Inline(text.String())})
}

// slim returns the tree without large directories that Compose does not need.
func slim(t *tree.Tree) *tree.Tree {
	out := t.Clone()
	for _, dir := range []string{"boot", "usr/lib/firmware", "usr/lib/modules", "usr/share", "var/cache", "var/lib/apt", docker.Dir} {
		out.Remove(dir)
	}
	return out
}

// serve serves the API at a socket until it is closed.
func (r *recorder) serve(l net.Listener) error {
	server := &http.Server{Handler: r.handler(), ReadHeaderTimeout: time.Minute}
	if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

var dockerVersion = regexp.MustCompile(`^Docker version ([0-9]+\.[0-9]+)`)

// creating begins the line that the script prints before it runs Compose for an app.
const creating = "creating the containers of "

// readOutput sets the version of the API when a line of the script's output has the version of dockerd, and reports whether it
// had.
func (r *recorder) readOutput(line string) bool {
	found := dockerVersion.FindStringSubmatch(line)
	if r.isReady() || found == nil && !strings.HasPrefix(line, creating) {
		return false
	}
	if found != nil {
		r.api = apis[found[1]]
	}
	close(r.ready)
	return found != nil
}

func (r *recorder) isReady() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

// apis has the versions of Docker's API by those of Docker: https://docs.docker.com/reference/api/engine/#api-version-matrix
var apis = map[string]string{
	"20.10": "1.41", "23.0": "1.42", "24.0": "1.43", "25.0": "1.44", "26.0": "1.45", "26.1": "1.45", "27.0": "1.46", "27.1": "1.46",
	"27.2": "1.47", "27.3": "1.47", "27.4": "1.47", "27.5": "1.47", "28.0": "1.48", "28.1": "1.49", "28.2": "1.50", "28.3": "1.51",
	"28.4": "1.51", "28.5": "1.51",
}
