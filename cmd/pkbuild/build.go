package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// buildFlags are the flags of the commands that build what a recipe describes.
type buildFlags struct {
	recipe recipeFlags
	cache  cacheFlags
	face   faceFlags
	keep   bool
}

func (f *buildFlags) add(cmd *cobra.Command) {
	f.recipe.add(cmd)
	f.cache.add(cmd)
}

func (f *buildFlags) addAll(cmd *cobra.Command) {
	f.add(cmd)
	f.face.add(cmd)
	cmd.Flags().BoolVar(&f.keep, "keep-failed", false, "keep what a layer that fails leaves, and say where")
}

// build builds with what the flags say, and shows how that goes on.
func (f *buildFlags) build(cmd *cobra.Command, r *recipes.Recipe, build func(builder.Workspace) error) error {
	helpers, err := f.recipe.helperDir()
	if err != nil {
		return err
	}
	w := builder.Workspace{Dir: r.Dir, Helpers: helpers, KeepFailed: f.keep}
	if w.Caches, err = f.cache.caches(); err != nil {
		return err
	}
	show := f.face.open(cmd)
	defer show.close()
	w.Events = show.event
	return build(w)
}

// cacheFlags are the flags of the commands that make layers.
type cacheFlags struct{ own, shared string }

func (f *cacheFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.own, "cache", "", cacheUsage)
	cmd.Flags().StringVar(&f.shared, "shared-cache", "", "cache `directory` of somebody else, whose layers are used and which is only read\n(default: $PKBUILD_SHARED_CACHE)")
}

func (f *cacheFlags) caches() (c builder.Caches, err error) {
	c.Shared = f.shared
	if c.Shared == "" {
		c.Shared = os.Getenv("PKBUILD_SHARED_CACHE")
	}
	c.Cache, err = cacheDir(f.own)
	return c, err
}
