package builder

import (
	"fmt"

	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// packageLayers are the layers of packages, the lowest first. In an image they are that of `packages` and those of
// `install` over it, below the layers of all other kinds: so none of these has to be made before they can be locked, and
// they hold nothing of a secret. Where a lock names the packages they do not say where else they would be looked for.
func packageLayers(r *recipes.Recipe, lock *Lock) ([]debian.Layer, error) {
	if r.Container != nil {
		return containerLayers(r, lock)
	}
	l, err := base(r)
	if err != nil {
		return nil, err
	}
	stack := []debian.Layer{l}
	for _, of := range r.Layers {
		if len(of.Install) > 0 {
			l.Over, l.Packages = debian.OverLayers, sorted(of.Install)
			stack = append(stack, l)
		}
	}
	return locked(stack, lock)
}

// base is the layer of packages below the others.
func base(r *recipes.Recipe) (debian.Layer, error) {
	date, err := recipes.ParseDate(r.Date)
	if err != nil {
		return debian.Layer{}, err
	}
	more, err := repositories(r)
	if err != nil {
		return debian.Layer{}, err
	}
	l := debian.Layer{Architecture: r.Architecture, Repositories: more, Packages: packages(r.Layers), Date: date}
	switch {
	case r.Base.Image != nil:
		// The suite is that of the vendor's image, and what comes from its archive is tools, which are in main.
		l.Over, l.Components = r.Base.Image.SHA256, []string{"main"}
	default:
		l.Suite, l.Components, l.Mirror = r.Base.Debian.Suite, r.Base.Debian.Components, r.Base.Debian.Mirror
	}
	return l, nil
}

// locked gives layers of packages what a lock, which may be nil, has for them.
func locked(stack []debian.Layer, lock *Lock) ([]debian.Layer, error) {
	if lock == nil {
		return stack, nil
	}
	if misfits := lock.misfits(wanted(stack)); len(misfits) > 0 {
		return nil, &MisfitError{misfits}
	}
	if len(lock.Over) != len(stack)-1 {
		return nil, fmt.Errorf("the lock has packages for %d layers over the base, not for %d; make it anew", len(lock.Over), len(stack)-1)
	}
	for i := range stack {
		pins := lock.Debian
		if i > 0 {
			pins.Packages = lock.Over[i-1]
		}
		stack[i].Repositories, stack[i].Lock = nil, &pins
	}
	return stack, nil
}
