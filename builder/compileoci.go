package builder

import (
	"maps"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/recipes"
)

// ociImage compiles the configuration and the layers of a container image: no kernel, and one layer for each of the
// recipe's.
func (c *compiler) ociImage() error {
	c.plan.Container = containerConfig(c.sources.Recipe.Container)
	if len(c.packages) > 0 {
		c.plan.add("debian", c.packages[0])
		c.packages = c.packages[1:]
	}
	return c.recipeLayers()
}

func containerConfig(c *recipes.Container) *v1.ImageConfig {
	out := &v1.ImageConfig{
		User:       c.User,
		Entrypoint: c.Entrypoint,
		Cmd:        c.Cmd,
		WorkingDir: c.Workdir,
		StopSignal: c.StopSignal,
		Labels:     c.Labels,
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		out.Env = append(out.Env, name+"="+c.Env[name])
	}
	for _, port := range c.Ports {
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		out.ExposedPorts = set(out.ExposedPorts, port)
	}
	for _, volume := range c.Volumes {
		out.Volumes = set(out.Volumes, volume)
	}
	return out
}

func set(in map[string]struct{}, name string) map[string]struct{} {
	if in == nil {
		in = map[string]struct{}{}
	}
	in[name] = struct{}{}
	return in
}
