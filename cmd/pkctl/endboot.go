package main

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

// endBootCommand returns the command that two units run: one in emergency mode, and one at the end of the time that a boot has for its verdict.
func endBootCommand(f *flags) *cobra.Command {
	var emergency, reboot bool
	cmd := &cobra.Command{
		Use:    "end-boot",
		Short:  "Record that this boot ends without a verdict, and reboot",
		Hidden: true,
		Args:   cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			reason := "the boot had no verdict in time"
			if emergency {
				reason = "the boot ended in emergency or rescue mode"
			}
			due, err := f.device(cmd).EndBoot(cmd.Context(), reason, time.Now())
			if err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "problem: %v\n", err)
			}
			if due {
				fmt.Fprintf(cmd.ErrOrStderr(), "reboot: %s\n", reason)
			}
			if err := cli.Silent(cmd, map[string]bool{"reboot": due}); err != nil || !due || !reboot {
				return err
			}
			return exec.CommandContext(cmd.Context(), "systemctl", "--force", "reboot").Run()
		},
	}
	cmd.Flags().BoolVar(&emergency, "emergency", false, "the boot ended in emergency or rescue mode")
	cmd.Flags().BoolVar(&reboot, "reboot", false, "reboot, unless the boot has a verdict")
	return cmd
}
