package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/images/layout"
	"github.com/PlanktoScope/pkbuild/internal/output"
)

func containerCommand() *cobra.Command {
	var flags buildFlags
	var place, compress string
	cmd := &cobra.Command{
		Use:   "container RECIPE",
		Short: "Build the container image of a recipe with a container section",
		Long: "Build the container image of a recipe with a container section, with one layer for each layer of the recipe,\n" +
			"and print the digest of its manifest. In a directory (oci:DIR:TAG) it replaces the image with the same tag and\n" +
			"keeps all others. The same recipe gives the same bytes.",
		Example: "  pkbuild container web.yml\n  pkbuild container web.yml -o oci-archive:web.tar:1.0",
		Args:    cli.Exactly("RECIPE"),
		RunE: rootless(func(cmd *cobra.Command, args []string) error {
			how := builder.ContainerOutput{Compression: builder.LayerCompression(compress)}
			if !slices.Contains(builder.LayerCompressions, how.Compression) {
				return fmt.Errorf("%w: --compress is %q, want gzip, zstd or none", cli.ErrUsage, compress)
			}
			r, p, err := flags.recipe.compile(cmd.Context(), args[0], flags.cache.own)
			if err != nil {
				return err
			}
			if p.Container == nil {
				return fmt.Errorf("%s describes a disk image: run pkbuild image %s, or add a container section", args[0], args[0])
			}
			if place == "" {
				place = "oci:" + r.Name
			}
			if how.To, err = layout.Parse(place); err != nil {
				return fmt.Errorf("%w: --output: %w", cli.ErrUsage, err)
			}
			if err := checkContainerOutput(how.To); err != nil {
				return err
			}
			var sum digest.Digest
			err = flags.build(cmd, r, func(w builder.Workspace) (err error) {
				sum, err = builder.BuildContainer(cmd.Context(), p, w, how)
				return err
			})
			if err != nil || flags.show.JSON {
				return err
			}
			_, err = fmt.Fprintln(digestWriter(cmd, how.To), sum)
			return err
		}),
	}
	flags.addAll(cmd)
	flags.recipe.addArch(cmd)
	cmd.Flags().StringVarP(&place, "output", "o", "", "destination: `oci:DIR[:TAG]` or oci-archive:FILE[:TAG] (default: oci: and the recipe's name)")
	methods := []string{}
	for _, c := range builder.LayerCompressions {
		methods = append(methods, string(c))
	}
	cmd.Flags().StringVar(&compress, "compress", string(builder.Gzip), "`method` to compress the layers with: gzip, zstd or none")
	_ = cmd.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions(methods, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"oci:", "oci-archive:"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// checkContainerOutput refuses destinations that cannot be written, before anything is built.
func checkContainerOutput(to layout.Target) error {
	if !to.Archive {
		if info, err := os.Stat(to.Path); err == nil && !info.IsDir() {
			return fmt.Errorf("%w: --output: %s is not a directory; write a directory, or oci-archive:%s", cli.ErrUsage, to.Path, to.Path)
		}
		return nil
	}
	d, err := output.Resolve(to.Path)
	if errors.Is(err, output.ErrDirectory) {
		return fmt.Errorf("%w: --output: %s is a directory; write a file, or oci:%s", cli.ErrUsage, to.Path, to.Path)
	}
	if err == nil {
		err = d.RefuseCompressed()
	}
	if err != nil {
		return fmt.Errorf("%w: --output: %w", cli.ErrUsage, err)
	}
	return nil
}

// digestWriter returns where the digest is printed: on stderr if the image goes to stdout.
func digestWriter(cmd *cobra.Command, to layout.Target) io.Writer {
	if d, err := output.Resolve(to.Path); to.Archive && err == nil && d.IsStdout() {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}
