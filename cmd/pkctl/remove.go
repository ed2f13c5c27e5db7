package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/device"
)

func rmCommand(f *flags) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm STAGE",
		Short: "Delete a stage; pkctl stage prune then removes its container images",
		Long: "Delete a stage; pkctl stage prune then removes its container images. The running stage, the one that the next boot\n" +
			"starts, the fallback stage and the one of a queued reset cannot be deleted.",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: f.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := f.device(cmd).Remove(cmd.Context(), args[0], force)
			if err != nil {
				return err
			}
			return cli.Silent(cmd, stageResult{Stage: n})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete also the stage that the device came with")
	return cmd
}

func pruneCommand(f *flags) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete the stages that nothing refers to, and the container images that no stage needs any more",
		Long: "Delete the stages that nothing refers to. The running stage, the next one, those that were marked good, those with\n" +
			"a name and the one of a queued reset stay, since a boot may start them. Then remove the container images that a\n" +
			"deleted stage needed and no remaining one does. Other images, and those that a container uses, stay.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := f.device(cmd).Prune(cmd.Context(), dryRun)
			return errors.Join(cli.Print(cmd, p, func(w io.Writer) error { return printPruned(w, cmd.ErrOrStderr(), p) }), err)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "only print what would be deleted")
	return cmd
}

func printPruned(out, stderr io.Writer, p device.Pruned) error {
	verb := map[bool]string{false: "deleted", true: "would delete"}[p.DryRun]
	var all []string
	for _, n := range p.Removed {
		all = append(all, fmt.Sprintf("%s stage %d", verb, n))
	}
	for _, name := range p.Images {
		all = append(all, fmt.Sprintf("%s image %s", verb, name))
	}
	return errors.Join(lines(out, all...), lines(stderr, p.Kept...))
}
