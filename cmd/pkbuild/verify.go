package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

func verifyCommand() *cobra.Command {
	var flags buildFlags
	var dir string
	var asJSON, reuse bool
	cmd := &cobra.Command{
		Use:   "verify RECIPE",
		Short: "Build an image twice, and print the first difference",
		Long: "Build the disk image of a recipe twice, and print the first difference by partition, file and field. The exit\n" +
			"code is 1 if there is one; both images are then kept.\n\n" +
			"The first build uses the cache, like pkbuild image. The second rebuilds all layers in a new cache with the\n" +
			"downloads of the first, which takes as long as the first build of a recipe. With --disk it reuses the layers,\n" +
			"and only the writing of the disk is verified. Without a lock (pkbuild lock) two builds may differ because the\n" +
			"repository changed in between.",
		Example: "  pkbuild verify --locked pi.yml\n  pkbuild verify --disk pi.yml",
		Args:    cli.Exactly("RECIPE"),
		RunE: rootless(func(cmd *cobra.Command, args []string) error {
			r, p, err := flags.recipe.compileDisk(cmd.Context(), args[0], flags.cache.own)
			if err != nil {
				return err
			}
			var v *builder.Verification
			err = flags.build(cmd, r, func(w builder.Workspace) (err error) {
				v, err = builder.Verify(cmd.Context(), p, w, builder.VerifyOptions{Dir: dir, DiskOnly: reuse})
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, v)
			} else {
				err = printVerification(cmd.OutOrStdout(), v)
			}
			if err == nil && !v.Same {
				err = cli.ErrReported
			}
			return err
		}),
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&dir, "dir", ".", "`directory` with room for two images and all layers")
	cmd.Flags().BoolVar(&reuse, "disk", false, "verify only the writing of the disk, with the same layers")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.Flags().BoolVarP(&flags.show.Quiet, "quiet", "q", false, "print warnings and the result only")
	return cmd
}

// printVerification prints a result for people.
func printVerification(w io.Writer, v *builder.Verification) error {
	p := &printer{w: w}
	if v.Same {
		p.line("the images are identical: SHA-256 %s", v.SHA256[0])
		return p.err
	}
	p.line("the images differ: %s", v.Difference)
	for i, image := range v.Images {
		p.line("%s: SHA-256 %s", image, v.SHA256[i])
	}
	return p.err
}
