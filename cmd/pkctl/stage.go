package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
)

func stageCommand() *cobra.Command {
	f := &flags{}
	cmd := cli.Group("stage", "List and choose what the device starts with",
		lsCommand(f), showCommand(f), verifyCommand(f), scrubCommand(f),
		setNextCommand(f), rollbackCommand(f), resultCommand(f),
		nameCommand(f), unnameCommand(f), rmCommand(f), pruneCommand(f), linkCommand(f), applyCommand(f), endBootCommand(f),
		exportCommand(f), importCommand(f), inventoryCommand(f))
	f.addStore(cmd)
	f.addBoot(cmd)
	f.addState(cmd)
	return cmd
}

func lsCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the stages, and what each is for the device",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := f.device(cmd).Stages()
			if err != nil {
				return err
			}
			return cli.Print(cmd, all, func(w io.Writer) error { return stageTable(w, all) })
		},
	}
}

func stageTable(w io.Writer, all []device.Stage) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STAGE\tSTATE\tROLE\tNAME\tPALLET\tVERSION")
	for _, s := range all {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", s.Stage, s.State, dash(s.Roles...), dash(s.Names...),
			dash(s.Manifest.Pallet.Path), dash(s.Version()))
	}
	return t.Flush()
}

func showCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:               "show STAGE",
		Short:             "Show a stage, by its number, its name or its role",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: f.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := f.device(cmd).Show(args[0])
			if err != nil {
				return err
			}
			return cli.Print(cmd, s, func(w io.Writer) error { return stagePage(w, s) })
		},
	}
}

func stagePage(w io.Writer, s device.Stage) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "stage\t%d\n", s.Stage)
	fmt.Fprintf(t, "state\t%s\n", s.State)
	if s.Problem != "" {
		fmt.Fprintf(t, "problem\t%s\n", s.Problem)
	}
	fmt.Fprintf(t, "role\t%s\n", dash(s.Roles...))
	fmt.Fprintf(t, "name\t%s\n", dash(s.Names...))
	fmt.Fprintf(t, "attempts\t%d of %d\n", s.Attempts, stages.MaxAttempts)
	fmt.Fprintf(t, "pallet\t%s\n", dash(s.Manifest.Pallet.Path))
	fmt.Fprintf(t, "version\t%s\n", dash(s.Version()))
	fmt.Fprintf(t, "description\t%s\n", dash(s.Manifest.Pallet.Description))
	return t.Flush()
}
