package apply_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/apply"
)

// home is the directory of the stages in the tests.
const home = "/var/lib/forklift/stages"

func app(name string, after ...string) apply.App {
	return apply.App{Deployment: name, Project: name, Dir: home + "/3/packages/" + name, Images: []string{name + ":1"}, After: after}
}

func converge(t *testing.T, d *docker, apps ...apply.App) ([]apply.Outcome, error) {
	var told []apply.Outcome
	c := apply.Converger{Docker: d, StageDirs: []string{home}, Report: func(o apply.Outcome) { told = append(told, o) }}
	out, err := c.Converge(t.Context(), apps)
	require.ElementsMatch(t, out, told)
	return out, err
}

func TestApps(t *testing.T) {
	dir := bundle(t, service{"web/shop", []string{"net"}}, service{name: "net"})
	apps, err := apply.Apps(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, []apply.App{
		{Deployment: "net", Project: "net", Dir: dir + "/packages/net", Files: []string{dir + "/packages/net/compose.yml"},
			Images: []string{"example.org/net:1"}, Services: map[string]string{"main": "example.org/net:1"}},
		{Deployment: "web/shop", Project: "web_shop", Dir: dir + "/packages/web/shop",
			Files: []string{dir + "/packages/web/shop/compose.yml"}, Images: []string{"example.org/shop:1"},
			Services: map[string]string{"main": "example.org/shop:1"}, After: []string{"net"}},
	}, apps)
}

func TestAppsWithDependencyCycle(t *testing.T) {
	dir := bundle(t, service{"a", []string{"b"}}, service{"b", []string{"a"}})
	_, err := apply.Apps(t.Context(), dir)
	require.EqualError(t, err, "bundle "+dir+": "+dir+"/forklift-bundle.yml:1:1: dependency cycle between deployments: a waits for "+
		"b waits for a; make one of the requirements nonblocking")

	dir = bundle(t, service{"a", []string{"z"}})
	_, err = apply.Apps(t.Context(), dir)
	require.ErrorContains(t, err, "bundle "+dir)
	require.ErrorContains(t, err, "resource constraint checks failed (0 conflicts, 1 missing dependencies)")

	dir = bundle(t, service{name: "a/b"}, service{name: "a_b"})
	_, err = apply.Apps(t.Context(), dir)
	require.EqualError(t, err, "bundle "+dir+": "+dir+"/forklift-bundle.yml:1:1: deployments a/b and a_b "+
		"have the same Compose project name, a_b; rename one of them")
}

// TestAppThatCannotStart has an app with a mistake: it fails, and the others start.
func TestAppThatCannotStart(t *testing.T) {
	dir := bundle(t, service{name: "a"}, service{name: "b"})
	write(t, filepath.Join(dir, "packages/a/compose.yml"), "services: {s: {image: x, env_file: missing.env}}")
	apps, err := apply.Apps(t.Context(), dir)
	require.NoError(t, err)
	require.ErrorContains(t, apps[0].Mistake, "env file of service s needs "+dir+"/packages/a/missing.env, which does not exist")
	d := newDocker()
	out, err := converge(t, d, apps...)
	require.NoError(t, err)
	require.Equal(t, []string{"up b", "is up b"}, d.calls)
	require.Equal(t, apply.Failed, out[0].State)
	require.Equal(t, apps[0].Mistake.Error(), out[0].Error)
}

func TestConvergeInOrder(t *testing.T) {
	d := newDocker()
	out, err := converge(t, d, app("c", "a", "b"), app("a"), app("b", "a"))
	require.NoError(t, err)
	require.Equal(t, []string{"up a", "is up a", "up b", "is up b", "up c", "is up c"}, d.calls)
	require.Equal(t, []apply.Outcome{
		{Deployment: "c", Project: "c", State: apply.Running},
		{Deployment: "a", Project: "a", State: apply.Running},
		{Deployment: "b", Project: "b", State: apply.Running},
	}, out)
}

// Apps that require none of each other start at the same time.
func TestConvergeInParallel(t *testing.T) {
	d := newDocker()
	var all sync.WaitGroup
	all.Add(4)
	d.up = func(context.Context, string) error {
		all.Done()
		all.Wait() // for ever, if one of them is started after another one
		return nil
	}
	_, err := converge(t, d, app("a"), app("b"), app("c"), app("d"))
	require.NoError(t, err)
	require.Len(t, d.calls, 8)
}

func TestConvergeFewAtATime(t *testing.T) {
	d := newDocker()
	var now, most atomic.Int32
	d.up = func(context.Context, string) error {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(5 * time.Millisecond) // for others to begin
		now.Add(-1)
		return nil
	}
	var many []apply.App
	for _, name := range strings.Split("abcdefghijklmnop", "") {
		many = append(many, app(name))
	}
	_, err := converge(t, d, many...)
	require.NoError(t, err)
	require.LessOrEqual(t, most.Load(), int32(4))
	require.Len(t, d.calls, 2*len(many))
}

func TestConvergeContinuesAfterFailure(t *testing.T) {
	d := newDocker()
	d.errs["up a"] = errors.New("it burns")
	out, err := converge(t, d, app("a"), app("b", "a"), app("c", "b"), app("d"))
	require.NoError(t, err)
	require.Equal(t, []apply.Outcome{
		{Deployment: "a", Project: "a", State: apply.Failed, Error: "container a-1 of a is exited (Exited (1) 2 seconds ago): it burns"},
		{Deployment: "b", Project: "b", State: apply.Skipped, Error: "requires a, which did not start"},
		{Deployment: "c", Project: "c", State: apply.Skipped, Error: "requires b, which did not start"},
		{Deployment: "d", Project: "d", State: apply.Running},
	}, out)
}

// Apps of other stages are removed; those of the user stay, whatever their state.
func TestConvergeRemovesOrphans(t *testing.T) {
	d := newDocker()
	d.run("old", home+"/2/packages/old", "exited", "Exited (0) 3 hours ago")
	d.run("bound", "/run/forklift/stages/current/packages/bound", "running", "Up 3 hours")
	d.run("kept", home+"/2/packages/kept", "running", "Up 3 hours")
	d.run("users", "/home/pi/x", "running", "Up 3 hours")
	d.run("evil", home+"-evil/x", "running", "Up 3 hours")
	d.run("unknown", "", "running", "Up 3 hours")
	c := apply.Converger{Docker: d, StageDirs: []string{"/run/forklift/stages", home}, Report: func(apply.Outcome) {}}
	out, err := c.Converge(t.Context(), []apply.App{app("kept")})
	require.NoError(t, err)
	require.Equal(t, []string{"remove bound", "remove old", "up kept", "is up kept"}, d.calls)
	require.Equal(t, []apply.Outcome{
		{Project: "bound", State: apply.Removed}, {Project: "old", State: apply.Removed},
		{Deployment: "kept", Project: "kept", State: apply.Running},
	}, out)

	d.run("old", home+"/2/packages/old", "exited", "Exited (0) 3 hours ago")
	d.errs["remove old"] = errors.New("in use")
	out, err = c.Converge(t.Context(), nil)
	require.NoError(t, err)
	require.Contains(t, out, apply.Outcome{Project: "old", State: apply.Failed, Error: "remove old, an app of another stage: in use"})
}

// An app of the user with the same name is left alone.
func TestConvergeLeavesUsersApp(t *testing.T) {
	d := newDocker()
	d.run("a", "/home/pi/a", "running", "Up 3 hours")
	out, err := converge(t, d, app("a"))
	require.NoError(t, err)
	require.Empty(t, d.calls)
	require.Equal(t, "app a: failed: an app of the same name, a, runs from \"/home/pi/a\" and belongs to no stage: "+
		"remove it with docker compose -p a down", out[0].String())
}

func TestConvergeNamesMissingImages(t *testing.T) {
	d := newDocker()
	d.images = []string{"a:1"}
	out, err := converge(t, d, app("a"))
	require.NoError(t, err)
	require.Equal(t, "images not on the device: a:1 (with a network: pkctl stage apply --pull)", out[0].Error)
	d.images, d.errs["image a:1"] = nil, errors.New("no answer")
	out, err = converge(t, d, app("a"))
	require.NoError(t, err)
	require.Equal(t, "no answer", out[0].Error)
	require.Empty(t, d.calls)
}

// Without Docker a stage without apps converges; a stage with apps does not.
func TestConvergeWithoutDocker(t *testing.T) {
	d := newDocker()
	d.absent = exec.ErrNotFound
	out, err := converge(t, d)
	require.NoError(t, err)
	require.Empty(t, out)
	_, err = converge(t, d, app("a"))
	require.ErrorIs(t, err, exec.ErrNotFound)
	d.absent = errors.New("is the daemon running?")
	_, err = converge(t, d)
	require.EqualError(t, err, "is the daemon running?")
}

// Apps of stages are removed with their volumes, also where only volumes are left.
func TestPurge(t *testing.T) {
	d := newDocker()
	d.run("old", home+"/2/packages/old", "exited", "Exited (0) 3 hours ago")
	d.run("users", "/home/pi/x", "running", "Up 3 hours")
	c := apply.Converger{Docker: d, StageDirs: []string{home}, Report: func(apply.Outcome) {}}
	d.errs["remove a and its volumes"] = errors.New("in use")
	require.EqualError(t, c.Purge(t.Context(), []string{"users", "old", "a"}), "remove app a: in use")
	require.Equal(t, []string{"remove a and its volumes", "remove old and its volumes"}, d.calls)

	d.calls, d.errs = nil, map[string]error{}
	require.NoError(t, c.Purge(t.Context(), []string{"users", "old", "a"}))
	require.Equal(t, []string{"remove a and its volumes", "remove old and its volumes"}, d.calls)
	require.Contains(t, d.containers, "users")

	d.absent = exec.ErrNotFound
	require.NoError(t, c.Purge(t.Context(), []string{"a"}))
	d.absent = errors.New("is the daemon running?")
	require.EqualError(t, c.Purge(t.Context(), []string{"a"}), "is the daemon running?")
}
