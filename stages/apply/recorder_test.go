package apply_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/apply"
)

// docker is a fake Docker. It records every call that changes something, and fails those that a test names.
type docker struct {
	mutex      sync.Mutex
	calls      []string
	containers map[string][]apply.Container // by app
	images     []string                     // that are missing
	errs       map[string]error             // by call, such as "up a"
	up         func(ctx context.Context, project string) error
	absent     error // of everything
}

func newDocker() *docker {
	return &docker{containers: map[string][]apply.Container{}, errs: map[string]error{}}
}

func (d *docker) call(text string) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.calls = append(d.calls, text)
	return d.errs[text]
}

// run adds a container of an app.
func (d *docker) run(project, dir, state, status string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.containers[project] = []apply.Container{{Name: project + "-1", Project: project, Dir: dir, State: state, Status: status}}
}

func (d *docker) Containers(context.Context) ([]apply.Container, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	var all []apply.Container
	for _, project := range slices.Sorted(maps.Keys(d.containers)) {
		all = append(all, d.containers[project]...)
	}
	return all, d.absent
}

func (d *docker) HasImage(_ context.Context, name string) (bool, error) {
	return !slices.Contains(d.images, name), d.errs["image "+name]
}

func (d *docker) Up(ctx context.Context, a apply.App) error {
	if err := d.call("up " + a.Project); err != nil {
		d.run(a.Project, a.Dir, "exited", "Exited (1) 2 seconds ago")
		return err
	}
	if d.up != nil {
		if err := d.up(ctx, a.Project); err != nil {
			d.run(a.Project, a.Dir, "running", "Up 3 seconds (health: starting)")
			return err
		}
	}
	d.run(a.Project, a.Dir, "running", "Up 1 second (healthy)")
	return d.call("is up " + a.Project)
}

func (d *docker) Remove(_ context.Context, project string, volumes bool) error {
	call := "remove " + project
	if volumes {
		call += " and its volumes"
	}
	if err := d.call(call); err != nil {
		return err
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	delete(d.containers, project)
	return nil
}

// system is a fake System.
type system struct {
	calls    []string
	complete func(context.Context) error
	broken   []string
	checks   map[string]string // errors, by the check's name
	late     func()            // what happens while the checks run
	reboot   error
	stopping bool
}

func (s *system) WaitComplete(ctx context.Context) error {
	s.calls = append(s.calls, "complete")
	if s.complete != nil {
		return s.complete(ctx)
	}
	return nil
}

func (s *system) FailedUnits(context.Context) ([]string, error) { return s.broken, nil }

func (s *system) Check(ctx context.Context, program string) (string, error) {
	s.calls = append(s.calls, "check "+filepath.Base(program))
	if s.late != nil {
		s.late()
	}
	switch text := s.checks[filepath.Base(program)]; text {
	case "":
		return "", nil
	case "hang":
		<-ctx.Done()
		return "it began", context.Cause(ctx)
	default:
		return "it said this", errors.New(text)
	}
}

func (s *system) Stopping(context.Context) bool { return s.stopping }

func (s *system) Reboot(context.Context) error {
	s.calls = append(s.calls, "reboot")
	return s.reboot
}

// verdicts is a fake Store.
type verdicts struct {
	snapshot stages.Snapshot
	err      error
}

func (v *verdicts) Judge(_ context.Context, stage int, result stages.Result, at time.Time, reasons []string) error {
	if v.err != nil {
		return v.err
	}
	v.snapshot.Staged = v.snapshot.Staged.WithVerdict(stage, result)
	v.snapshot.State = v.snapshot.State.WithVerdict(stage, result, at, reasons...)
	return nil
}

func (v *verdicts) Select() (stages.Choice, error) { return stages.Select(v.snapshot), nil }

// service is an app of a bundle; it requires the networks of the apps that it names.
type service struct {
	name  string
	after []string
}

// bundle writes a bundle of apps, each of which provides a network of its name.
func bundle(t *testing.T, apps ...service) string {
	t.Helper()
	dir := t.TempDir()
	manifest := "forklift-version: v0.8.0-alpha.6\npallet: {path: example.org/pallet, version: v1.0.0, clean: true}\ndeploys:\n"
	for _, a := range apps {
		manifest += fmt.Sprintf("  %s: {package: /%s}\n", a.name, a.name)
		text := "package: {description: x}\ndeployment:\n  compose-files: [compose.yml]\n" +
			"  provides: {networks: [{name: " + a.name + "}]}\n"
		if len(a.after) > 0 {
			text += "  requires: {networks: [{name: " + strings.Join(a.after, "}, {name: ") + "}]}\n"
		}
		write(t, filepath.Join(dir, "packages", a.name, "forklift-package.yml"), text)
		write(t, filepath.Join(dir, "packages", a.name, "compose.yml"), "services: {main: {image: example.org/"+filepath.Base(a.name)+":1}}\n")
	}
	write(t, filepath.Join(dir, "forklift-bundle.yml"), manifest)
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
}
