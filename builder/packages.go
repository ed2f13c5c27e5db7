package builder

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// packageLayers returns the package layers of the recipe, the lowest first, without pins of a lock. In a disk image they
// are the base with all `packages`, and one layer for each `install`. They lie below all other layers, so that they can
// be locked without building anything and hold no secrets.
func (s *Sources) packageLayers() ([]debian.Layer, error) {
	if s.Recipe.Container != nil {
		return s.ociPackageLayers()
	}
	l, err := s.baseLayer(s.Recipe.Layers)
	if err != nil {
		return nil, err
	}
	stack := []debian.Layer{l}
	for _, of := range s.Recipe.Layers {
		if len(of.Install) > 0 {
			l.Over, l.Packages = debian.OverLayers, sortedSet(of.Install)
			stack = append(stack, l)
		}
	}
	return stack, nil
}

// ociPackageLayers returns the package layers of a container image: the base, which all images of a suite share, and one
// layer for each `packages`. An image from scratch has none.
func (s *Sources) ociPackageLayers() ([]debian.Layer, error) {
	if s.Recipe.Base.Debian == nil {
		return nil, nil
	}
	base, err := s.baseLayer(nil)
	if err != nil {
		return nil, err
	}
	base.Slim = &debian.Slim{Docs: s.Recipe.Container.Docs, Locales: s.Recipe.Container.Locales}
	stack := []debian.Layer{base}
	for _, l := range s.Recipe.Layers {
		if len(l.Packages) > 0 {
			over := base
			over.Over, over.Packages, over.Slim = debian.OverLayers, sortedSet(l.Packages), nil
			stack = append(stack, over)
		}
	}
	return stack, nil
}

// baseLayer returns the lowest package layer, with the packages of layers in one transaction.
func (s *Sources) baseLayer(with []recipes.Layer) (debian.Layer, error) {
	r := s.Recipe
	date, err := recipes.ParseDate(r.Date)
	if err != nil {
		return debian.Layer{}, err
	}
	var names []string
	for _, l := range with {
		names = append(names, l.Packages...)
	}
	l := debian.Layer{Architecture: r.Architecture, Repositories: s.repositories(), Packages: sortedSet(names), Date: date}
	if r.Base.Image != nil {
		// The suite is that of the vendor's image. Its archive is only used for tools, which are in main.
		l.Over, l.Components = r.Base.Image.SHA256, []string{"main"}
	} else {
		l.Suite, l.Components, l.Mirror = r.Base.Debian.Suite, r.Base.Debian.Components, r.Base.Debian.Mirror
	}
	return l, nil
}

// sortedSet returns names in alphabetical order without duplicates.
func sortedSet(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// lockedPackages returns the package layers with the pins of the lock, if there is one. The error is a lock.StaleError
// if the lock was made for another state of the recipe; the contents of pallets may have changed since.
func (s *Sources) lockedPackages() ([]debian.Layer, error) {
	stack, err := s.packageLayers()
	if err != nil || s.lock == nil {
		return stack, err
	}
	request, err := s.Request()
	if err != nil {
		return nil, err
	}
	request.Pallets = s.lock.Pallets
	if err := s.lock.Check(request); err != nil {
		return nil, err
	}
	if len(stack) > 0 && len(s.lock.Over) != len(stack)-1 {
		return nil, fmt.Errorf("lock has %d install layers, want %d; run pkbuild lock", len(s.lock.Over), len(stack)-1)
	}
	for i := range stack {
		pins := s.lock.Debian
		if i > 0 {
			pins.Packages = s.lock.Over[i-1]
		}
		stack[i].Repositories, stack[i].Lock = nil, &pins
	}
	return stack, nil
}

// compilePackages adds the package layer of a container image. The packages of a disk image are in its base.
func compilePackages(c *compiler, l recipes.Layer) error {
	if c.plan.Container != nil && len(l.Packages) > 0 {
		c.plan.add("packages", c.packages[0])
		c.packages = c.packages[1:]
	}
	return nil
}

// requested returns the lines of a lock for what package layers, the lowest first, ask for.
func requested(stack []debian.Layer) []string {
	if len(stack) == 0 {
		return nil
	}
	l := stack[0]
	out := []string{"architecture " + l.Architecture}
	if l.Over != "" {
		out = append(out, "image "+l.Over)
	} else {
		out = append(out, "suite "+l.Suite)
	}
	for _, c := range l.Components {
		out = append(out, "component "+c)
	}
	if l.Mirror != "" {
		out = append(out, "mirror "+l.Mirror)
	}
	for _, r := range l.Repositories {
		r.Key = "" // its digest identifies it
		data, _ := json.Marshal(r)
		out = append(out, "repository "+string(data))
	}
	for _, p := range l.Packages {
		out = append(out, "package "+p)
	}
	if l.Slim != nil {
		out = append(out, "slim")
	}
	for i, l := range stack[1:] {
		for _, p := range l.Packages {
			out = append(out, fmt.Sprintf("layer %d package %s", i+1, p))
		}
	}
	return out
}
