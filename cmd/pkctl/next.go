package main

import (
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/device"
)

func setNextCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set-next STAGE|none",
		Short: "Choose the stage to start with at the next boot",
		Long: "Choose the stage to start with at the next boot, by its number, its name or its role. It gets all its attempts,\n" +
			"whatever became of earlier ones. Container images that it needs are pulled first, so that it starts without a\n" +
			"network. With none the device starts without a stage.",
		Example:           "  pkctl stage set-next factory-reset\n  pkctl stage set-next 7",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: f.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := f.device(cmd).SetNext(cmd.Context(), args[0], f.noFetch)
			if err != nil {
				return err
			}
			if args[0] == device.None {
				return cli.Printf(cmd, stageResult{}, "no stage is next: the next boot starts without one\n")
			}
			return printNext(cmd, n)
		},
	}
	f.addFetch(cmd)
	return cmd
}

func printNext(cmd *cobra.Command, n int) error {
	return cli.Printf(cmd, stageResult{Stage: n}, "stage %d is next: reboot to start it\n", n)
}

func rollbackCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "rollback",
		Short: "Choose the stage that was marked good before the current one",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := f.device(cmd).Rollback(cmd.Context())
			if err != nil {
				return err
			}
			return printNext(cmd, n)
		},
	}
}

func nameCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "name NAME STAGE",
		Short: "Give a stage a name, which keeps it from being pruned",
		Args:  cli.Exactly("NAME", "STAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := f.device(cmd).Name(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return cli.Silent(cmd, stageResult{Stage: n, Name: args[0]})
		},
	}
}

func unnameCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "unname NAME",
		Short: "Remove a name from a stage",
		Args:  cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.device(cmd).Unname(cmd.Context(), args[0]); err != nil {
				return err
			}
			return cli.Silent(cmd, map[string]string{"name": args[0]})
		},
	}
}
