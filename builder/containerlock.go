package builder

import (
	"context"
	"fmt"
	"slices"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// containerLayers are the layers of packages of a container: the base, which is the same for all containers of a suite,
// and one over it for each of the recipe's, none where the recipe has no base of packages.
func containerLayers(r *recipes.Recipe, lock *Lock) ([]debian.Layer, error) {
	if r.Base.Debian == nil {
		return nil, nil
	}
	without := *r
	without.Layers = nil
	base, err := base(&without, nil)
	if err != nil {
		return nil, err
	}
	base.Slim = &debian.Slim{Docs: r.Container.Docs, Locales: r.Container.Locales}
	out := []debian.Layer{base}
	for _, l := range r.Layers {
		if len(l.Packages) == 0 {
			continue
		}
		over := base
		over.Over, over.Packages, over.Slim = debian.OverLayers, packages([]recipes.Layer{l}), nil
		out = append(out, over)
	}
	if lock == nil {
		return out, nil
	}
	if misfits := lock.misfits(wantedInLayers(out)); len(misfits) > 0 {
		return nil, &MisfitError{misfits}
	}
	if len(lock.Over) != len(out)-1 {
		return nil, fmt.Errorf("the lock has packages for %d layers over the base, not for %d; make it anew", len(lock.Over), len(out)-1)
	}
	for i := range out {
		pins := lock.Debian
		if i > 0 {
			pins.Packages = lock.Over[i-1]
		}
		out[i].Repositories, out[i].Lock = nil, &pins
	}
	return out, nil
}

// wantedInLayers lists what the packages of a container are chosen by.
func wantedInLayers(all []debian.Layer) []string {
	var out []string
	for i, l := range all {
		if i == 0 {
			out = append(wanted(l), "slim")
		}
		for _, p := range l.Packages {
			out = append(out, fmt.Sprintf("layer %d package %s", i, p))
		}
	}
	return out
}

func wantedByContainer(r *recipes.Recipe) ([]string, error) {
	all, err := containerLayers(r, nil)
	return wantedInLayers(all), err
}

// resolveContainer makes the lock of a container. A layer has what it needs and those below it lack.
func resolveContainer(ctx context.Context, r *recipes.Recipe, o Options) (*Lock, error) {
	all, err := containerLayers(r, nil)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is nothing to lock: %s has no packages", r.Name)
	}
	env := &layers.Env{Dir: r.Dir, Cache: o.Cache, Mirror: o.Mirror}
	lock := &Lock{For: wantedInLayers(all)}
	var known []debian.Package
	base := all[0]
	for i, l := range all {
		base.Packages = append(base.Packages, l.Packages...)
		pins, err := base.Resolve(ctx, env, nil)
		if err != nil {
			return nil, err
		}
		for _, p := range known {
			if !slices.Contains(pins.Packages, p) {
				return nil, fmt.Errorf("layer %d would replace %s of a layer below; put its packages into one layer with those, "+
					"or lock again if the archive changed meanwhile", i, p)
			}
		}
		if i == 0 {
			lock.Debian = *pins
		} else {
			lock.Over = append(lock.Over, slices.DeleteFunc(slices.Clone(pins.Packages), func(p debian.Package) bool {
				return slices.Contains(known, p)
			}))
		}
		known = pins.Packages
	}
	return lock, nil
}
