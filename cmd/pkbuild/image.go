package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
)

func imageCommand() *cobra.Command {
	var flags recipeFlags
	var output, cache string
	var keep bool
	var face faceFlags
	cmd := &cobra.Command{
		Use:   "image RECIPE",
		Short: "Build the image that a recipe describes",
		Long: "Build the image that a recipe describes. Layers that have not changed are taken from the cache. The image\n" +
			"appears under its name only when it is complete.",
		Args: exactly("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, p, err := flags.compile(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			o := builder.Options{Output: output, Dir: r.Dir, Keep: keep, Mirror: builder.Mirror(cmd.Context())}
			if o.Output == "" {
				o.Output = r.Name + ".img"
			}
			if o.Helpers, err = flags.helperDir(); err != nil {
				return err
			}
			if o.Cache, err = cacheDir(cache); err != nil {
				return err
			}
			show := face.open(cmd)
			o.Events = show.event
			err = builder.Build(cmd.Context(), p, o)
			show.close()
			return err
		},
	}
	flags.add(cmd)
	face.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write (default: the recipe's name with .img, here)")
	cmd.Flags().StringVar(&cache, "cache", "", cacheUsage)
	cmd.Flags().BoolVar(&keep, "keep-failed", false, "keep what a layer that fails leaves, and say where")
	return cmd
}

const cacheUsage = "`directory` of the cache (default: $PKBUILD_CACHE, else pkbuild in the user's cache)"

// cacheDir is the directory of the cache: the one that a flag names, else the default one.
func cacheDir(flag string) (string, error) {
	if flag != "" {
		return filepath.Abs(flag)
	}
	if dir := os.Getenv("PKBUILD_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "pkbuild"), err
}
