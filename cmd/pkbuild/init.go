package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/recipes/instrument"
)

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init NAME",
		Short: "Create the directory of a new instrument",
		Long: "Create a directory with the recipe of a new instrument, a pallet with a service and a container, the recipe of the\n" +
			"container's image, a scenario, a Makefile and a CI workflow. The image builds and boots as it is.",
		Example: "  pkbuild init buoy\n  cd buoy && make image boot",
		Args:    cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			created, err := instrument.Create(args[0])
			if err != nil {
				return err
			}
			p := &printer{w: cmd.OutOrStdout()}
			for _, file := range created {
				p.line("%s", filepath.Join(args[0], file))
			}
			p.line("build and boot it: cd %s && make image boot", args[0])
			return p.err
		},
	}
}
