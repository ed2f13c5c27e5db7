package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
		Short: "Build the disk image of a recipe",
		Long: "Build the disk image of a recipe. Unchanged layers come from the cache. The image gets its name when it is complete,\n" +
			"together with a block map for bmaptool (NAME.img.bmap) and a checksum for sha256sum (NAME.img.sha256). With\n" +
			"--compress, or an output that ends with .zst or .xz, it is compressed while it is written.",
		Example: "  pkbuild image pi.yml\n  pkbuild image --locked pi.yml -o out/pi.img.zst",
		Args:    cli.Exactly("RECIPE"),
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
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write (default: NAME.img in the working directory); --compress adds its suffix")
	cmd.Flags().StringVar(&compress, "compress", "", "`method` to compress the image with: zstd or xz")
	_ = cmd.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions([]string{"zstd", "xz"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// isDirectory reports whether an output is a directory, or was meant to be one.
func isDirectory(name string) bool {
	info, err := os.Stat(name)
	return strings.HasSuffix(name, "/") || err == nil && info.IsDir()
}

// outputName returns the file of the image and its compression, which the name or the flag chooses.
func outputName(output, recipe string, c disk.Compression) (string, disk.Compression, error) {
	if c != disk.None && c.Suffix() == "" {
		return "", "", fmt.Errorf("%w: --compress is %q, want zstd or xz", cli.ErrUsage, c)
	}
	if output == "" {
		return recipe + ".img" + c.Suffix(), c, nil
	}
	if isDirectory(output) {
		return "", "", fmt.Errorf("%w: -o %s is a directory; write -o %s", cli.ErrUsage, output, filepath.Join(output, recipe+".img"))
	}
	switch named := disk.CompressionOf(output); {
	case c == disk.None || c == named:
		return output, named, nil
	case named != disk.None:
		return "", "", fmt.Errorf("%w: --compress %s contradicts the output %s", cli.ErrUsage, c, output)
	}
	return output + c.Suffix(), c, nil
}
