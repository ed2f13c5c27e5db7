package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

func verifyCommand(d *device) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify STAGE",
		Short: "Compare a stage with what it was when it was staged",
		Long: "Compare a stage with what it was when it was staged: contents by digest, modes, links, owners. The exit code is 1\n" +
			"if anything differs.",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: d.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := d.load(cmd).Staged.Resolve(args[0])
			if err != nil {
				return err
			}
			differences, err := store.Verify(os.DirFS(d.dir), n)
			if err != nil {
				return err
			}
			if asJSON {
				err = cli.JSON(cmd.OutOrStdout(), map[string]any{"stage": n, "differences": append([]string{}, differences...)})
			} else {
				err = sayDifferences(cmd, n, differences)
			}
			if err == nil && len(differences) > 0 {
				return cli.ErrReported
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func sayDifferences(cmd *cobra.Command, n int, differences []string) error {
	for _, line := range differences {
		if err := say(cmd, "%s\n", line); err != nil {
			return err
		}
	}
	if len(differences) == 0 {
		return say(cmd, "stage %d is as it was staged\n", n)
	}
	return nil
}
