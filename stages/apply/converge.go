package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/paths"
)

// parallel is how many apps start at the same time: each takes a process, and a device has little memory.
const parallel = 4

// inspectLimit is the time limit of listing the containers after a failure.
const inspectLimit = 15 * time.Second

// Outcome is the result of starting or removing one Compose app: its state and error.
type Outcome struct {
	Deployment string `json:"deployment,omitempty"` // "" for an app of another stage
	Project    string `json:"project"`
	State      State  `json:"state"`
	Error      string `json:"error,omitempty"`
}

// State is the state of a Compose app after Converge: running, failed (to start or to be removed), skipped or removed.
type State string

// The states of an app.
const (
	Running State = "running"
	Failed  State = "failed"
	Skipped State = "skipped" // not started, since an app that it requires failed
	Removed State = "removed" // of another stage
)

// Converger starts the Compose apps of a stage and removes those of other stages.
type Converger struct {
	Docker    Docker
	StageDirs []string      // directories of stages: an app whose project directory is below one of them belongs to a stage
	Report    func(Outcome) // receives each outcome; calls do not overlap
}

// Converge removes the apps that belong to other stages, then starts the given ones, several at a time, each after
// those that it depends on. If an app fails, which its outcome says, only those that depend on it are not started. The
// error is for Docker as a whole, such as a daemon that cannot be reached; without apps Docker need not be installed.
func (c Converger) Converge(ctx context.Context, apps []App) ([]Outcome, error) {
	all, err := c.Docker.Containers(ctx)
	if errors.Is(err, exec.ErrNotFound) && len(apps) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Outcome
	for _, project := range c.orphans(all, apps) {
		o := Outcome{Project: project, State: Removed}
		if err := c.Docker.Remove(ctx, project, false); err != nil {
			o.State, o.Error = Failed, fmt.Sprintf("remove %s, an app of another stage: %v", project, err)
		}
		out = append(out, o)
		c.Report(o)
	}
	return append(out, c.start(ctx, apps, c.others(all))...), nil
}

// orphans returns the names of the apps of other stages, sorted.
func (c Converger) orphans(all []Container, apps []App) []string {
	found := map[string]bool{}
	others := c.others(all)
	for _, one := range all {
		_, mixed := others[one.Project]
		wanted := slices.ContainsFunc(apps, func(a App) bool { return a.Project == one.Project })
		if !wanted && !mixed {
			found[one.Project] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// others returns the apps that do not belong to a stage, with their project directories.
func (c Converger) others(all []Container) map[string]string {
	out := map[string]string{}
	for _, one := range all {
		if !slices.ContainsFunc(c.StageDirs, func(dir string) bool { return paths.Within(one.Dir, dir) }) {
			out[one.Project] = one.Dir
		}
	}
	return out
}

// start starts all apps, each as soon as those that it requires are up.
func (c Converger) start(ctx context.Context, apps []App, others map[string]string) []Outcome {
	done := map[string]chan struct{}{}
	for _, a := range apps {
		done[a.Deployment] = make(chan struct{})
	}
	out := make([]Outcome, len(apps))
	failed := map[string]bool{}
	var mutex sync.Mutex
	var group sync.WaitGroup
	free := make(chan struct{}, parallel)
	for i, a := range apps {
		group.Go(func() {
			defer close(done[a.Deployment])
			for _, before := range a.After {
				<-done[before]
			}
			mutex.Lock()
			broken := slices.DeleteFunc(slices.Clone(a.After), func(name string) bool { return !failed[name] })
			mutex.Unlock()
			o := Outcome{Deployment: a.Deployment, Project: a.Project, State: Skipped}
			if len(broken) > 0 {
				o.Error = fmt.Sprintf("requires %s, which did not start", strings.Join(broken, ", "))
			} else {
				free <- struct{}{}
				o = c.up(ctx, a, others)
				<-free
			}
			mutex.Lock()
			defer mutex.Unlock()
			out[i], failed[a.Deployment] = o, o.State != Running
			c.Report(o)
		})
	}
	group.Wait()
	return out
}

// up starts one app.
func (c Converger) up(ctx context.Context, a App, others map[string]string) Outcome {
	o := Outcome{Deployment: a.Deployment, Project: a.Project, State: Running}
	if err := c.startApp(ctx, a, others); err != nil {
		o.State, o.Error = Failed, err.Error()
	}
	return o
}

func (c Converger) startApp(ctx context.Context, a App, others map[string]string) error {
	if a.Mistake != nil {
		return a.Mistake
	}
	if dir, taken := others[a.Project]; taken {
		return fmt.Errorf("an app of the same name, %s, runs from %q and belongs to no stage: remove it with docker compose -p %s down",
			a.Project, dir, a.Project)
	}
	var missing []string
	for _, image := range a.Images {
		has, err := c.Docker.HasImage(ctx, a.image(image))
		if err != nil {
			return err
		}
		if !has {
			missing = append(missing, image)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("images not on the device: %s (with a network: pkctl stage apply --pull)", strings.Join(missing, ", "))
	}
	err := c.Docker.Up(ctx, a)
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inspectLimit)
	defer cancel()
	all, _ := c.Docker.Containers(ctx) // the error of Up matters more
	if found := unhealthy(all, a.Project); len(found) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(found, "; "), err)
	}
	return err
}
