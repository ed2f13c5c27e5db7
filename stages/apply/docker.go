package apply

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Docker is what is asked of Docker and Compose.
type Docker interface {
	// Containers are all those of Compose apps, running or not. Without Docker the error is exec.ErrNotFound.
	Containers(ctx context.Context) ([]Container, error)
	// HasImage tells whether an image is on the device.
	HasImage(ctx context.Context, name string) (bool, error)
	// Up starts an app as its files say, and waits until its containers run and those with a health check are healthy.
	// What runs as it should is left alone. A service that the files do not have any more is removed.
	Up(ctx context.Context, app App) error
	// Remove removes the containers and networks of an app and, if asked, its volumes.
	Remove(ctx context.Context, project string, volumes bool) error
}

// Container is a container of a Compose app.
type Container struct {
	Name    string `json:"name"`
	Project string `json:"project"`
	Dir     string `json:"dir"`    // that Compose took paths relative to when it made the container
	State   string `json:"state"`  // such as running, exited, restarting
	Status  string `json:"status"` // for people: Up 2 minutes (healthy)
}

// well tells whether a container does what it should. One that has ended without an error had nothing more to do: Up
// has seen to it that it may.
func (c Container) well() bool {
	switch c.State {
	case "running":
		return !strings.Contains(c.Status, "(unhealthy)") && !strings.Contains(c.Status, "(health: starting)")
	case "exited":
		return strings.HasPrefix(c.Status, "Exited (0)")
	}
	return false
}

// unwell says of each container of some apps what is wrong with it, sorted.
func unwell(all []Container, projects ...string) []string {
	var out []string
	for _, c := range all {
		if slices.Contains(projects, c.Project) && !c.well() {
			out = append(out, fmt.Sprintf("container %s of %s is %s (%s)", c.Name, c.Project, c.State, c.Status))
		}
	}
	slices.Sort(out)
	return out
}

// within tells whether a path is a directory or lies below it.
func within(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		rel, err := filepath.Rel(dir, path)
		return err == nil && filepath.IsLocal(rel)
	})
}
