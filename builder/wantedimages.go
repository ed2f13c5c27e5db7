package builder

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/images/docker/create"
	"github.com/PlanktoScope/pkbuild/images/source"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// wantedImage is a container image that a recipe asks for.
type wantedImage struct {
	name   string // in full, such as docker.io/library/caddy:2.8; with a digest where the recipe or the app has one
	source string // oci:, oci-archive:, docker-archive: or dir:, relative to the recipe; empty: the registry of the name
}

func (i wantedImage) reference() source.Reference {
	return source.Reference{Name: i.name, From: i.source}
}

// wantedImages returns the container images of a recipe, by name: those that it lists, and those of the enabled apps of
// its pallets.
func wantedImages(r *recipes.Recipe, pallets []stagedPallet) ([]wantedImage, error) {
	found := map[string]wantedImage{}
	fromStages := false
	for _, l := range r.Layers {
		if l.Containers == nil {
			continue
		}
		fromStages = fromStages || l.Containers.Stages
		for _, image := range l.Containers.Images {
			name, err := lock.FullImageName(image.Name)
			if err != nil {
				return nil, err
			}
			found[name] = wantedImage{name: name, source: image.Source}
		}
	}
	for _, p := range pallets {
		for _, app := range p.apps {
			for _, image := range app.Images {
				name, err := lock.FullImageName(image)
				if err != nil {
					return nil, fmt.Errorf("deployment %s: %w", app.Deployment, err)
				}
				if _, known := found[name]; !known && fromStages {
					found[name] = wantedImage{name: name}
				}
			}
		}
	}
	var out []wantedImage
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[name])
	}
	return out, nil
}

// containers adds one layer for all `containers` of the recipe.
func (c *compiler) containers() error {
	wanted, created := false, false
	for _, l := range c.sources.Recipe.Layers {
		wanted = wanted || l.Containers != nil
		created = created || l.Containers != nil && l.Containers.Create
	}
	if !wanted {
		return nil
	}
	store := create.Layer{Platform: imagePlatform(c.plan.Architecture).String()}
	for _, i := range c.sources.images {
		d, err := c.sources.lock.ImageDigest(i.name)
		if err != nil {
			return err
		}
		store.Images = append(store.Images, create.Image{Name: i.name, Source: i.source, Digest: d})
	}
	var err error
	if store.Bundle, err = c.pinnedBundle(); err != nil {
		return err
	}
	if created {
		if store.Create, err = c.createdContainers(); err != nil {
			return err
		}
	}
	c.plan.add("containers", store)
	return nil
}

// createdContainers returns the apps whose containers the build creates, in the order in which the device starts them.
func (c *compiler) createdContainers() (*create.Create, error) {
	out := &create.Create{
		Architecture: c.plan.Architecture, Date: c.plan.Date,
		Link: create.Link{Path: overlays.CurrentStage, Target: factoryBundle()},
	}
	for _, p := range c.sources.pallets {
		for _, a := range p.apps {
			services := map[string]string{}
			for service, image := range a.Services {
				var err error
				if services[service], err = lock.FullImageName(image); err != nil {
					return nil, err
				}
			}
			out.Apps = append(out.Apps, create.App{Name: a.Project, Compose: a.Compose(), Services: services})
		}
	}
	if len(out.Apps) == 0 {
		return nil, errors.New("containers.create: no staged pallet has an enabled Compose app; stage one, or remove create")
	}
	return out, nil
}

// pinnedBundle returns the staged bundle whose container images the build pins; nil if no app of a pallet has images.
func (c *compiler) pinnedBundle() (*create.Bundle, error) {
	out := &create.Bundle{Dir: factoryBundle()}
	for _, p := range c.sources.pallets {
		for _, a := range p.apps {
			for _, image := range a.Images {
				name, err := lock.FullImageName(image)
				if err != nil {
					return nil, err
				}
				out.Images = append(out.Images, name)
			}
		}
	}
	if len(out.Images) == 0 {
		return nil, nil
	}
	slices.Sort(out.Images)
	out.Images = slices.Compact(out.Images)
	return out, nil
}
