package builder

import (
	"context"
	"errors"
	"fmt"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// ResolveOptions are the cache directory and the Debian mirror that Resolve uses.
type ResolveOptions struct {
	Cache  string // directory for package lists and images
	Mirror string // of Debian, where the recipe names none
}

// Resolve makes a lock from sources that were gathered without one: the newest packages of the repositories, and the
// current digests of container images. It writes no lock file, and fails for a recipe without Debian packages, such as a
// container image from scratch.
func Resolve(ctx context.Context, s *Sources, o ResolveOptions) (l *lock.Lock, err error) {
	done, err := Cache{o.Cache}.use(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	request, err := s.Request()
	if err != nil {
		return nil, err
	}
	stack, err := s.packageLayers()
	if err != nil {
		return nil, err
	}
	if len(stack) == 0 {
		return nil, fmt.Errorf("recipe %s has no packages to lock", s.Recipe.Name)
	}
	env := &layers.Env{Dir: s.Recipe.Dir, Cache: o.Cache, Mirror: o.Mirror}
	var below *tree.Tree
	if image := s.Recipe.Base.Image; image != nil {
		if below, err = vendorImage(*image).Make(ctx, env, nil); err != nil {
			return nil, err
		}
	}
	pins, err := debian.Resolve(ctx, env, below, stack...)
	if err != nil {
		return nil, err
	}
	l = &lock.Lock{For: request.For, Debian: pins[0], Pallets: request.Pallets, Downloads: s.pins}
	for _, over := range pins[1:] {
		l.Over = append(l.Over, over.Packages)
	}
	l.Images, err = resolveImages(ctx, imageSource(s.Recipe, o.Cache), s.images)
	return l, err
}
