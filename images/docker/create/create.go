package create

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Create asks for the containers of Compose apps to be created.
type Create struct {
	Architecture string    `json:"architecture"` // of the programs in the tree
	Date         time.Time `json:"date"`         // of the containers
	Link         Link      `json:"link"`         // by which the device finds the apps
	Apps         []App     `json:"apps"`         // in the order in which they start
}

// Link is a place on the device that shows another once it has booted.
type Link struct {
	Path   string `json:"path"`
	Target string `json:"target"`
}

// App is a Compose app.
type App struct {
	Name    string   `json:"name"`
	Compose []string `json:"compose"` // arguments of docker that name the app, as the device gives them
}

// fill asks the Compose of the tree below what it would have Docker create for the apps, and puts that into a store. It
// runs as on the device, and speaks to a recorder: so what it asks for is what it will look for there.
func (c Create) fill(ctx context.Context, env *layers.Env, below *tree.Tree, s *docker.Store, all []images.Image) (err error) {
	if err := sandbox.NeedRoot(); err != nil {
		return err
	}
	if err := present(below); err != nil {
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
	socket, stop, err := r.serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := c.ask(ctx, env, below, r, socket, emulator); err != nil {
		return err
	}
	s.Defaults.API, s.Containers = r.api, r.created()
	for _, v := range r.volumes {
		s.Volumes = append(s.Volumes, v)
	}
	return nil
}

// present refuses a tree without the programs that are asked.
func present(t *tree.Tree) error {
	for _, program := range []string{"docker", "dockerd"} {
		found := slices.ContainsFunc([]string{"usr/bin", "usr/sbin", "usr/local/bin"}, func(dir string) bool {
			_, n := t.Resolve(path.Join(dir, program))
			return n != nil
		})
		if !found {
			return fmt.Errorf("the image has no %s: install the packages docker.io, docker-cli and docker-compose", program)
		}
	}
	return nil
}

// cannot says what to do where containers cannot be created.
func cannot(err error) error {
	return fmt.Errorf("create containers: %w; leave out containers.create, and the device creates them when it first starts", err)
}

// ask runs Compose for each app, in the tree.
func (c Create) ask(ctx context.Context, env *layers.Env, below *tree.Tree, r *recorder, socket, emulator string) error {
	aside, err := c.script(socket)
	if err != nil {
		return err
	}
	box := sandbox.Sandbox{
		Dir: filepath.Join(env.Scratch, "compose"), Architecture: c.Architecture, Date: c.Date,
		Tools: tree.New(), Tree: slim(below), Aside: aside, Emulator: emulator,
	}
	if !env.Keep {
		box.Free = sandbox.Available()
	}
	listen := func(line string) {
		if !r.hear(line) {
			env.Report(layers.Progress{Message: line})
		}
	}
	if _, err := box.Run(ctx, listen, "/bin/sh", path.Join(sandbox.AsideDir, "script")); err != nil {
		return fmt.Errorf("ask the Compose of the image for them: %w", err)
	}
	return nil
}

// script asks for the version of Docker, then for each app.
func (c Create) script(socket string) (*tree.Tree, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "set -eu\nmkdir -p %s\nln -s %s %s\ncd /\ndockerd --version\n",
		quote(path.Dir(c.Link.Path)), quote(c.Link.Target), quote(c.Link.Path))
	for _, app := range c.Apps {
		fmt.Fprintf(&text, "echo %s\n", quote(creating+app.Name))
		// The environment is the one that pkctl gives it.
		fmt.Fprintf(&text, "env -i PATH=\"$PATH\" HOME=/root COMPOSE_ANSI=never DOCKER_HOST=%s docker", quote("unix://"+socket))
		for _, argument := range append(app.Compose, "up", "--no-start", "--no-build", "--pull", "never") {
			text.WriteString(" " + quote(argument))
		}
		text.WriteString("\n")
	}
	t := tree.New()
	return t, t.Put("script", &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: c.Date, Content: tree.Inline(text.String())})
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// slim is a tree without what programs of no use here take most room with.
func slim(t *tree.Tree) *tree.Tree {
	out := t.Clone()
	for _, dir := range []string{"boot", "usr/lib/firmware", "usr/lib/modules", "usr/share", "var/cache", "var/lib/apt", docker.Dir} {
		out.Remove(dir)
	}
	return out
}

// serve answers at a socket until stop is called. The sandbox reaches it through its first process, whose root is this
// machine's: it has neither a network nor another directory in common with it.
func (r *recorder) serve() (socket string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "pkbuild-") // a socket has a short path
	if err != nil {
		return "", nil, err
	}
	name := filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", name)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	server := &http.Server{Handler: r.handler(), ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return path.Join("/proc/1/root", name), func() error {
		err := server.Close()
		if e := <-done; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return errors.Join(err, os.RemoveAll(dir))
	}, nil
}

var dockerVersion = regexp.MustCompile(`^Docker version ([0-9]+\.[0-9]+)`)

// creating is what the script says before it asks for the containers of an app.
const creating = "creating the containers of "

// hear takes from what dockerd says of itself which API it has, and reports whether a line was that.
func (r *recorder) hear(line string) bool {
	found := dockerVersion.FindStringSubmatch(line)
	if r.heard() || found == nil && !strings.HasPrefix(line, creating) {
		return false
	}
	if found != nil {
		r.api = apis[found[1]]
	}
	close(r.ready)
	return found != nil
}

func (r *recorder) heard() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

// apis are the versions of Docker's API by those of Docker: https://docs.docker.com/reference/api/engine/#api-version-matrix
var apis = map[string]string{
	"20.10": "1.41", "23.0": "1.42", "24.0": "1.43", "25.0": "1.44", "26.0": "1.45", "26.1": "1.45", "27.0": "1.46", "27.1": "1.46",
	"27.2": "1.47", "27.3": "1.47", "27.4": "1.47", "27.5": "1.47", "28.0": "1.48", "28.1": "1.49", "28.2": "1.50", "28.3": "1.51",
	"28.4": "1.51", "28.5": "1.51",
}
