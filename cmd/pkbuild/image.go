package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

func imageCommand() *cobra.Command {
	var flags buildFlags
	var output, compress string
	cmd := &cobra.Command{
		Use:   "image RECIPE",
		Short: "Build the image that a recipe describes",
		Long: "Build the image that a recipe describes. Layers that have not changed are taken from the cache. The image\n" +
			"appears under its name only when it is complete, and with it, made in the same pass, its block map for\n" +
			"bmaptool (NAME.img.bmap) and its checksum for sha256sum (with .sha256 behind the name). Compressed images\n" +
			"(--compress, or an output that ends with .zst or .xz) never lie on the disk as a whole.",
		Args: cli.Exactly("RECIPE"),
		RunE: rootless(func(cmd *cobra.Command, args []string) error {
			r, p, err := flags.recipe.compileDisk(cmd.Context(), args[0], flags.cache.own)
			if err != nil {
				return err
			}
			name, method, err := outputName(output, r.Name, disk.Compression(compress))
			if err != nil {
				return err
			}
			return flags.build(cmd, r, func(w builder.Workspace) error {
				return builder.Build(cmd.Context(), p, w, builder.Output{Path: name, Compression: method})
			})
		}),
	}
	flags.addAll(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write (default: the recipe's name with .img, here); --compress adds its suffix")
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
