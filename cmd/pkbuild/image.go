package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

func imageCommand() *cobra.Command {
	var flags recipeFlags
	var output, compress string
	var cache cacheFlags
	var keep bool
	var face faceFlags
	cmd := &cobra.Command{
		Use:   "image RECIPE",
		Short: "Build the image that a recipe describes",
		Long: "Build the image that a recipe describes. Layers that have not changed are taken from the cache. The image\n" +
			"appears under its name only when it is complete, and with it, made in the same pass, its block map for\n" +
			"bmaptool (NAME.img.bmap) and its checksum for sha256sum (with .sha256 behind the name). Compressed images\n" +
			"(--compress, or an output that ends with .zst or .xz) never lie on the disk as a whole.",
		Args: cli.Exactly("RECIPE"),
		RunE: rootless(func(cmd *cobra.Command, args []string) error {
			r, p, err := flags.compileDisk(cmd.Context(), args[0], cache.own)
			if err != nil {
				return err
			}
			o := builder.Options{Dir: r.Dir, Keep: keep}
			if o.Output, o.Compression, err = outputName(output, r.Name, disk.Compression(compress)); err != nil {
				return err
			}
			if o.Helpers, err = flags.helperDir(); err != nil {
				return err
			}
			if err := cache.set(&o); err != nil {
				return err
			}
			show := face.open(cmd)
			o.Events = show.event
			err = builder.Build(cmd.Context(), p, o)
			show.close()
			return err
		}),
	}
	flags.add(cmd)
	face.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write (default: the recipe's name with .img, here); --compress adds its suffix")
	cache.add(cmd)
	cmd.Flags().BoolVar(&keep, "keep-failed", false, "keep what a layer that fails leaves, and say where")
	cmd.Flags().StringVar(&compress, "compress", "", "`method` to compress the image with: zstd or xz")
	_ = cmd.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions([]string{"zstd", "xz"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// outputName is where the image goes, with the suffix of its compression, which either the name or a flag tells.
func outputName(output, recipe string, c disk.Compression) (string, disk.Compression, error) {
	if c != disk.None && c.Suffix() == "" {
		return "", "", fmt.Errorf("%w: --compress %q is neither zstd nor xz", cli.ErrUsage, c)
	}
	if output == "" {
		return recipe + ".img" + c.Suffix(), c, nil
	}
	switch named := disk.CompressionOf(output); {
	case c == disk.None || c == named:
		return output, named, nil
	case named != disk.None:
		return "", "", fmt.Errorf("%w: --compress %s contradicts the output %s", cli.ErrUsage, c, output)
	}
	return output + c.Suffix(), c, nil
}

// cacheFlags are the flags of the commands that make layers.
type cacheFlags struct{ own, shared string }

func (f *cacheFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.own, "cache", "", cacheUsage)
	cmd.Flags().StringVar(&f.shared, "shared-cache", "", "cache `directory` of somebody else, whose layers are used and which is only read\n(default: $PKBUILD_SHARED_CACHE)")
}

func (f *cacheFlags) set(o *builder.Options) (err error) {
	o.Shared = f.shared
	if o.Shared == "" {
		o.Shared = os.Getenv("PKBUILD_SHARED_CACHE")
	}
	o.Cache, err = cacheDir(f.own)
	return err
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
