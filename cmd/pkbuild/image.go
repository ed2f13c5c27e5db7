package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/output"
)

func imageCommand() *cobra.Command {
	var flags buildFlags
	var file, compress string
	cmd := &cobra.Command{
		Use:   "image RECIPE",
		Short: "Build the disk image of a recipe",
		Long: "Build the disk image of a recipe. Unchanged layers come from the cache. The image gets its name when it is complete,\n" +
			"together with a block map for bmaptool (NAME.img.bmap) and a checksum for sha256sum (NAME.img.sha256). With\n" +
			"--compress, or an output that ends with .gz, .xz or .zst, it is compressed while it is written. A named pipe, a\n" +
			"character device and - (stdout) get the image alone, as a stream. Block devices are refused.",
		Example: "  pkbuild image pi.yml\n" +
			"  pkbuild image --locked pi.yml -o out/pi.img.zst\n" +
			"  pkbuild image pi.yml -o - --compress zstd | ssh host 'cat >pi.img.zst'",
		Args: cli.Exactly("RECIPE"),
		RunE: rootless(func(cmd *cobra.Command, args []string) error {
			r, p, err := flags.recipe.compileDisk(cmd.Context(), args[0], flags.cache.own)
			if err != nil {
				return err
			}
			name, method, err := outputName(file, r.Name, disk.Compression(compress))
			if err != nil {
				return err
			}
			if err := checkStdout(name, flags.show.JSON); err != nil {
				return err
			}
			return flags.build(cmd, r, func(w builder.Workspace) error {
				return builder.Build(cmd.Context(), p, w, builder.Output{Path: name, Compression: method})
			})
		}),
	}
	flags.addAll(cmd)
	flags.recipe.addArch(cmd)
	cmd.Flags().StringVarP(&file, "output", "o", "", "`file` to write (default: NAME.img in the working directory); --compress adds its suffix")
	cmd.Flags().StringVar(&compress, "compress", "", "`method` to compress the image with: gzip, xz or zstd")
	_ = cmd.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions([]string{"gzip", "xz", "zstd"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// outputName returns the destination of the image and its compression, which the name or the flag chooses.
func outputName(name, recipe string, c disk.Compression) (string, disk.Compression, error) {
	if c != disk.None && c.Suffix() == "" {
		return "", "", fmt.Errorf("%w: --compress is %q, want gzip, xz or zstd", cli.ErrUsage, c)
	}
	if name == "" {
		return recipe + ".img" + c.Suffix(), c, nil
	}
	to, err := output.Resolve(name)
	if errors.Is(err, output.ErrDirectory) {
		return "", "", fmt.Errorf("%w: -o %s is a directory; write -o %s", cli.ErrUsage, name, filepath.Join(name, recipe+".img"))
	}
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	named, err := disk.CompressionOf(name)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("%w: %w", cli.ErrUsage, err)
	case c == disk.None || c == named:
		return name, named, nil
	case named != disk.None:
		return "", "", fmt.Errorf("%w: --compress %s contradicts the output %s", cli.ErrUsage, c, name)
	case to.IsStream():
		return name, c, nil
	}
	return name + c.Suffix(), c, nil
}

// checkStdout refuses an image on a terminal or among the events of --json.
func checkStdout(name string, asJSON bool) error {
	to, err := output.Resolve(name)
	switch {
	case err != nil || !to.IsStdout():
		return err
	case asJSON:
		return fmt.Errorf("%w: --json prints events on stdout, so the image cannot go there", cli.ErrUsage)
	case cli.IsTerminal(os.Stdout):
		return fmt.Errorf("%w: stdout is a terminal: redirect it to a file or a pipe", cli.ErrUsage)
	}
	return nil
}
