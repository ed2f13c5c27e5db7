package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"

	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images/docker/create"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages"
)

// Container is a container image that a recipe asks for.
type Container struct {
	Name   string // in full, such as docker.io/library/caddy:2.8; with a digest where the recipe or the app has one
	Source string // oci:, oci-archive:, docker-archive: or dir:, relative to the recipe; empty: the registry of Name
}

// Containers are the container images that a recipe asks for, by name, each once: those that it lists, and those of the
// enabled apps of the pallets that it stages. Of the inputs it takes what pallets are read with.
func Containers(ctx context.Context, r *recipes.Recipe, in Inputs) ([]Container, error) {
	found := map[string]Container{}
	fromStages := false
	for _, l := range r.Layers {
		if l.Containers == nil {
			continue
		}
		fromStages = fromStages || l.Containers.Stages
		for _, image := range l.Containers.Images {
			name, err := fullName(image.Name)
			if err != nil {
				return nil, err
			}
			found[name] = Container{Name: name, Source: image.Source}
		}
	}
	if fromStages {
		if err := addStaged(ctx, r, newPallets(r, in), found); err != nil {
			return nil, err
		}
	}
	var out []Container
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[name])
	}
	return out, nil
}

// addStaged adds the images of the pallets that a recipe stages, unless they are there.
func addStaged(ctx context.Context, r *recipes.Recipe, fetch *pallets, found map[string]Container) error {
	for _, l := range r.Layers {
		if l.Stage == nil {
			continue
		}
		apps, err := fetch.apps(ctx, layers.Locate(r.Dir, l.Stage.Pallet))
		if err != nil {
			return err
		}
		for _, deployment := range slices.Sorted(maps.Keys(apps)) {
			for _, image := range apps[deployment].Images {
				name, err := fullName(image)
				if err != nil {
					return fmt.Errorf("deployment %s: %w", deployment, err)
				}
				if _, known := found[name]; !known {
					found[name] = Container{Name: name}
				}
			}
		}
	}
	return nil
}

// fullName is the name of an image with all that Docker adds to it: caddy is docker.io/library/caddy:latest.
func fullName(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("container image %q: %w", image, err)
	}
	return reference.TagNameOnly(named).String(), nil
}

// addContainers adds the store of the images that a recipe asks for, if it does.
func (p *Plan) addContainers(ctx context.Context, r *recipes.Recipe, in Inputs) error {
	asked := slices.ContainsFunc(r.Layers, func(l recipes.Layer) bool { return l.Containers != nil })
	all, err := Containers(ctx, r, in)
	if err != nil {
		return err
	}
	if in.Lock != nil {
		if misfits := in.Lock.imageMisfits(all); len(misfits) > 0 {
			return &MisfitError{misfits}
		}
	}
	if !asked {
		return nil
	}
	store := create.Layer{Platform: imagePlatform(r.Architecture).String()}
	for _, c := range all {
		d, err := in.Lock.ImageDigest(c.Name)
		if err != nil {
			return err
		}
		store.Images = append(store.Images, create.Image{Name: c.Name, Source: c.Source, Digest: d})
	}
	if slices.ContainsFunc(r.Layers, func(l recipes.Layer) bool { return l.Containers != nil && l.Containers.Create }) {
		if store.Create, err = p.create(ctx, r, newPallets(r, in)); err != nil {
			return err
		}
	}
	p.add("containers", store)
	return nil
}

// create asks for the containers of the apps of the staged pallets, in the order in which the device starts the apps.
func (p *Plan) create(ctx context.Context, r *recipes.Recipe, fetch *pallets) (*create.Create, error) {
	c := &create.Create{
		Architecture: p.Architecture, Date: p.Date,
		Link: create.Link{Path: overlays.CurrentStage, Target: path.Join(stages.Dir, strconv.Itoa(bundle))},
	}
	for _, l := range r.Layers {
		if l.Stage == nil {
			continue
		}
		apps, err := fetch.ordered(ctx, layers.Locate(r.Dir, l.Stage.Pallet))
		if err != nil {
			return nil, err
		}
		for _, a := range apps {
			c.Apps = append(c.Apps, create.App{Name: a.Project, Compose: a.Compose()})
		}
	}
	if len(c.Apps) == 0 {
		return nil, errors.New("containers.create: no staged pallet has an enabled Compose app; stage one, or remove create")
	}
	return c, nil
}
