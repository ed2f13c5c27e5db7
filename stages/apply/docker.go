package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Docker is the interface to Docker and Compose that Apply uses; CLI implements it.
type Docker interface {
	// Containers returns the containers of all Compose apps, running or not. Without Docker the error is exec.ErrNotFound.
	Containers(ctx context.Context) ([]Container, error)
	// HasImage reports whether an image, by its name or ID, is on the device.
	HasImage(ctx context.Context, image string) (bool, error)
	// Up starts an app, and waits until its containers run and those with a health check are healthy. Containers that are
	// up to date are left alone, those of removed services are removed.
	Up(ctx context.Context, app App) error
	// Remove removes the containers and networks of an app, and optionally its volumes.
	Remove(ctx context.Context, project string, volumes bool) error
}

// Container is a container of a Compose app, as docker ps lists it.
type Container struct {
	Name    string `json:"name"`
	Project string `json:"project"`
	Dir     string `json:"dir"`    // project directory when Compose created it
	State   string `json:"state"`  // such as running, exited, restarting
	Status  string `json:"status"` // such as Up 2 minutes (healthy)
}

// healthy reports whether a container runs and passes its health check, or exited without an error: Up has checked that
// it may exit.
func (c Container) healthy() bool {
	switch c.State {
	case "running":
		return !strings.Contains(c.Status, "(unhealthy)") && !strings.Contains(c.Status, "(health: starting)")
	case "exited":
		return strings.HasPrefix(c.Status, "Exited (0)")
	}
	return false
}

// unhealthy describes each container of some apps that is not healthy, sorted.
func unhealthy(all []Container, projects ...string) []string {
	var out []string
	for _, c := range all {
		if slices.Contains(projects, c.Project) && !c.healthy() {
			out = append(out, fmt.Sprintf("container %s of %s is %s (%s)", c.Name, c.Project, c.State, c.Status))
		}
	}
	slices.Sort(out)
	return out
}
