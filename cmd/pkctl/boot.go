package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/request"
)

func bootCommand() *cobra.Command {
	f := &flags{}
	var next string
	var cancel bool
	cmd := &cobra.Command{
		Use:   "boot --next stage=STAGE,overrides=on|off",
		Short: "Choose what the next boot, and only that one, starts with",
		Long: "Choose what the next boot, and only that one, starts with: a stage by its number, factory or none, and whether\n" +
			"changes in /etc and /usr are in force. Changes that are not in force are kept. No verdict is recorded on that boot.\n" +
			"Without a flag the request is shown.",
		Example: "  pkctl boot --next stage=factory\n  pkctl boot --next overrides=off\n  pkctl boot --cancel",
		Args:    cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case cancel:
				return cancelRequest(cmd, f)
			case next == "":
				r, err := f.device(cmd).Request()
				if err != nil {
					return err
				}
				return cli.Printf(cmd, r, "%s\n", describeRequest(r))
			}
			r, err := request.ParseList(next)
			if err != nil {
				return fmt.Errorf("--next %s: %w", next, err)
			}
			if err := f.device(cmd).RequestNext(cmd.Context(), r); err != nil {
				return err
			}
			return cli.Printf(cmd, r, "%s; reboot, or cancel with pkctl boot --cancel\n", describeRequest(r))
		},
	}
	local := &cobra.Command{} // boot sets have neither a store nor a state
	f.addStore(local)
	f.addState(local)
	cmd.Flags().AddFlagSet(local.PersistentFlags())
	cmd.Flags().StringVar(&next, "next", "", "`request` for the next boot, such as stage=factory,overrides=off")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "cancel the request")
	cmd.MarkFlagsMutuallyExclusive("next", "cancel")
	cmd.AddCommand(bootSetCommands()...)
	return cmd
}

func cancelRequest(cmd *cobra.Command, f *flags) error {
	requested, err := f.device(cmd).CancelRequest(cmd.Context())
	if err != nil {
		return err
	}
	text := map[bool]string{true: "the request is canceled", false: "nothing was requested of the next boot"}[requested]
	return cli.Printf(cmd, map[string]bool{"canceled": requested}, "%s\n", text)
}

// describeRequest describes what is requested of the next boot.
func describeRequest(r report.Request) string {
	text := "the next boot"
	switch r.Stage {
	case "":
		text += " starts as always"
	case report.NoStage:
		text += " starts without a stage"
	case report.FactoryStage:
		text += " starts with the factory stage"
	default:
		text += " starts with stage " + r.Stage
	}
	if r.Overrides == "off" {
		text += ", without changes in /etc and /usr"
	}
	return text
}
