package builder

import (
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
	base, err := base(&without)
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
	return locked(out, lock)
}
