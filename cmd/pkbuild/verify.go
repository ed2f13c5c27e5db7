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
		Short: "Build an image twice, and name the first difference",
		Long: "Build the image that a recipe describes twice, and name the first difference by partition, file and field.\n" +
			"Exits with 1 where there is one; then both images are kept.\n\n" +
			"The first build may take layers from the cache, as pkbuild image does. The second makes all of them anew, in\n" +
			"a cache of its own that has the downloads only: that takes as long as the first build of a recipe. With\n" +
			"--disk it takes the layers of the first, and only the writing of the disk is verified. Without a lock\n" +
			"(pkbuild lock) two builds may differ because the archive changed in between.",
		Args: cli.Exactly("RECIPE"),
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
	cmd.Flags().StringVar(&dir, "dir", ".", "`directory` with room for two images, and for the layers once more")
	cmd.Flags().BoolVar(&reuse, "disk", false, "verify the writing of the disk only, from the same layers")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.Flags().BoolVarP(&flags.face.quiet, "quiet", "q", false, "print warnings and the result only")
	return cmd
}

// printVerification prints a result for people.
func printVerification(w io.Writer, v *builder.Verification) error {
	p := &printer{w: w}
	if v.Same {
		p.line("both images are the same: SHA-256 %s", v.SHA256[0])
		return p.err
	}
	p.line("the images differ: %s", v.Difference)
	for i, image := range v.Images {
		p.line("%s: SHA-256 %s", image, v.SHA256[i])
	}
	return p.err
}
