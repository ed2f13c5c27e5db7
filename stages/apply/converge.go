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
)

// parallel is how many apps are started at the same time: each takes a process of its own, and a device is small.
const parallel = 4

// look is how long a last look at the containers may take after something went wrong.
const look = 15 * time.Second

// Outcome is what became of an app.
type Outcome struct {
	Deployment string `json:"deployment,omitempty"` // "" for an app that the stage does not have
	Project    string `json:"project"`
	State      State  `json:"state"`
	Error      string `json:"error,omitempty"`
}

// State is how applying an app ended.
type State string

// The states of an app.
const (
	Running State = "running" // as it should be
	Failed  State = "failed"
	Skipped State = "skipped" // not started, since one that it comes after has failed
	Removed State = "removed" // the stage does not have it
)

// Converger makes the apps run that a stage has, and no others that a stage brought.
type Converger struct {
	Docker Docker
	Homes  []string      // directories in which stages lie: an app from there is ours
	Tell   func(Outcome) // hears what becomes of each app, one at a time
}

// Converge removes apps of other stages, then starts those of this one, in the order of what they come after, as many at
// a time as may be. One that fails stops only those that come after it. The error is about Docker as a whole; without
// Docker there is nothing to do for a stage without apps.
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
			o.State, o.Error = Failed, fmt.Sprintf("remove %s, which the stage does not have: %v", project, err)
		}
		out = append(out, o)
		c.Tell(o)
	}
	return append(out, c.start(ctx, apps, c.foreign(all))...), nil
}

// orphans are the apps of other stages, sorted.
func (c Converger) orphans(all []Container, apps []App) []string {
	found := map[string]bool{}
	foreign := c.foreign(all)
	for _, one := range all {
		_, mixed := foreign[one.Project]
		wanted := slices.ContainsFunc(apps, func(a App) bool { return a.Project == one.Project })
		if !wanted && !mixed {
			found[one.Project] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// foreign are the apps that somebody else started, with the directories that they are from.
func (c Converger) foreign(all []Container) map[string]string {
	out := map[string]string{}
	for _, one := range all {
		if !within(one.Dir, c.Homes) {
			out[one.Project] = one.Dir
		}
	}
	return out
}

// start starts all apps, each as soon as those are up that it comes after.
func (c Converger) start(ctx context.Context, apps []App, foreign map[string]string) []Outcome {
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
				o.Error = fmt.Sprintf("it comes after %s", strings.Join(broken, ", "))
			} else {
				free <- struct{}{}
				o = c.up(ctx, a, foreign)
				<-free
			}
			mutex.Lock()
			defer mutex.Unlock()
			out[i], failed[a.Deployment] = o, o.State != Running
			c.Tell(o)
		})
	}
	group.Wait()
	return out
}

// up starts one app.
func (c Converger) up(ctx context.Context, a App, foreign map[string]string) Outcome {
	o := Outcome{Deployment: a.Deployment, Project: a.Project, State: Running}
	if err := c.tryUp(ctx, a, foreign); err != nil {
		o.State, o.Error = Failed, err.Error()
	}
	return o
}

func (c Converger) tryUp(ctx context.Context, a App, foreign map[string]string) error {
	if a.Mistake != nil {
		return a.Mistake
	}
	if dir, taken := foreign[a.Project]; taken {
		return fmt.Errorf("the user runs an app of the same name, %s, from %q: remove it with docker compose -p %s down",
			a.Project, dir, a.Project)
	}
	var missing []string
	for _, image := range a.Images {
		has, err := c.Docker.HasImage(ctx, image)
		if err != nil {
			return err
		}
		if !has {
			missing = append(missing, image)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not on the device: image %s (with a network: pkctl stage apply --pull)", strings.Join(missing, ", "))
	}
	err := c.Docker.Up(ctx, a)
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), look)
	defer cancel()
	all, _ := c.Docker.Containers(ctx) // it is why that failed which matters
	if ill := unwell(all, a.Project); len(ill) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(ill, "; "), err)
	}
	return err
}
