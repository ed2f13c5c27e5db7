package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/progress"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// buildFlags are the flags of the commands that build images.
type buildFlags struct {
	recipe recipeFlags
	cache  cacheFlags
	show   progress.Flags
	keep   bool
}

func (f *buildFlags) add(cmd *cobra.Command) {
	f.recipe.add(cmd)
	f.cache.add(cmd)
}

func (f *buildFlags) addAll(cmd *cobra.Command) {
	f.add(cmd)
	f.show.Add(cmd)
	cmd.Flags().BoolVar(&f.keep, "keep-failed", false, "keep the scratch directory of a failed layer")
}

// build runs a build with the options of the flags, and shows its progress.
func (f *buildFlags) build(cmd *cobra.Command, r *recipes.Recipe, build func(builder.Workspace) error) error {
	helpers, err := f.recipe.helperDir()
	if err != nil {
		return err
	}
	w := builder.Workspace{Dir: r.Dir, Helpers: helpers, KeepFailed: f.keep}
	if w.Caches, err = f.cache.caches(); err != nil {
		return err
	}
	view := f.show.View(cmd.OutOrStdout(), cmd.ErrOrStderr())
	defer view.Close()
	w.Events = view.Event
	return build(w)
}

// cacheFlags are the flags of the commands that look up layers.
type cacheFlags struct{ own, shared string }

func (f *cacheFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.own, "cache", "", cacheUsage)
	cmd.Flags().StringVar(&f.shared, "shared-cache", "", "`directory` of a second cache, which is only read (default: $PKBUILD_SHARED_CACHE)")
}

func (f *cacheFlags) caches() (c builder.Caches, err error) {
	c.Shared = f.shared
	name := "--shared-cache"
	if c.Shared == "" {
		c.Shared, name = os.Getenv("PKBUILD_SHARED_CACHE"), "PKBUILD_SHARED_CACHE"
	}
	if c.Shared != "" {
		if info, err := os.Stat(c.Shared); err != nil || !info.IsDir() {
			return c, fmt.Errorf("%w: %s: %s is not a directory", cli.ErrUsage, name, c.Shared)
		}
	}
	c.Cache, err = cacheDir(f.own)
	return c, err
}
