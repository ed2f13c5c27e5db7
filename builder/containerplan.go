package builder

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// compileContainer is Compile for an image of a container: no kernel, and one layer for each of the recipe's.
func compileContainer(ctx context.Context, r *recipes.Recipe, in Inputs, date time.Time) (*Plan, error) {
	p := newPlan(r, date)
	p.Container = containerConfig(r.Container)
	packages, err := containerLayers(r, in.Lock)
	if err != nil {
		return nil, err
	}
	if len(packages) > 0 {
		p.add("debian", packages[0])
		packages = packages[1:]
	}
	sources, err := repositoryEntries(r)
	if err != nil {
		return nil, err
	}
	if len(sources) > 0 {
		p.add("repositories", layers.Files{Entries: sources})
	}
	for _, l := range r.Layers {
		switch {
		case len(l.Packages) > 0:
			p.add("packages", packages[0])
			packages = packages[1:]
		case l.Users != nil:
			p.add("users", layers.Users{Users: lockedUsers(l.Users)})
		default:
			if err := p.addLayer(ctx, r.Dir, l, in.Programs, nil); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// lockedUsers are users that own files and run programs, and log in nowhere.
func lockedUsers(in []recipes.User) []layers.User {
	out := users(in)
	for i := range out {
		out[i].Locked = true
	}
	return out
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
