package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
)

func resetCommand() *cobra.Command {
	f := &flags{}
	var to string
	var r override.Reset
	var cancel bool
	cmd := &cobra.Command{
		Use:   "reset [--to STAGE]",
		Short: "Go back to a stage at the next boot, optionally without overrides and containers with their data",
		Long: "Go back to a stage at the next boot. With --overrides all changes in /etc and /usr are deleted, accounts, passwords\n" +
			"and SSH keys included; with --containers all containers, networks and volumes of stages, with the data in them.\n" +
			"Files elsewhere, as in /home, stay, and so do images and what the user started. Until then nothing changes, and\n" +
			"--cancel cancels the reset. After a power cut in between, the next boot does the rest. With --hand-over, to give the\n" +
			"device away, all that belongs to the owner is deleted, too: home directories, keys, Wi-Fi networks, logs, retained\n" +
			"messages and all volumes of Docker.",
		Example: "  pkctl reset --overrides --containers\n  pkctl reset --hand-over\n  pkctl reset --to 7",
		Args:    cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cancel {
				return cancelReset(cmd, f)
			}
			if r.HandOver {
				r.Overrides, r.Containers = true, true
			}
			queued, err := f.device(cmd).Reset(cmd.Context(), to, r)
			if err != nil {
				return err
			}
			if r.HandOver {
				fmt.Fprintln(cmd.ErrOrStderr(), handOverWarning)
			}
			return cli.Printf(cmd, queued, "at the next boot: %s; reboot, or cancel with pkctl reset --cancel\n", describeReset(queued))
		},
	}
	f.addStore(cmd)
	f.addState(cmd)
	cmd.Flags().StringVar(&to, "to", stages.FactoryName, "`stage` to start with")
	cmd.Flags().BoolVar(&r.Overrides, "overrides", false, "delete all changes in /etc and /usr")
	cmd.Flags().BoolVar(&r.Containers, "containers", false, "delete containers, networks and volumes of stages")
	cmd.Flags().BoolVar(&r.HandOver, "hand-over", false, "delete all that belongs to the owner, to give the device away")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "cancel the reset that is queued")
	for _, other := range []string{"to", "overrides", "containers", "hand-over"} {
		cmd.MarkFlagsMutuallyExclusive("cancel", other)
	}
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("to", f.completeStages))
	return cmd
}

func cancelReset(cmd *cobra.Command, f *flags) error {
	queued, err := f.device(cmd).CancelReset(cmd.Context())
	if err != nil {
		return err
	}
	text := map[bool]string{true: "the reset is canceled: nothing is reset at the next boot", false: "no reset is queued"}[queued]
	return cli.Printf(cmd, map[string]bool{"canceled": queued}, "%s\n", text)
}

// handOverWarning says what a hand-over does not delete.
const handOverWarning = "warning: what stays: stages and container images, other partitions and disks, the boot partition with " +
	"cmdline.txt, and files outside of /home, /root, /srv, /etc, /usr and /var/log, such as /opt; what is deleted can be restored " +
	"from the card with special tools"

// describeReset says what a reset does; "" for one that does nothing.
func describeReset(r override.Reset) string {
	var what []string
	if r.Stage != 0 {
		what = append(what, "start with "+stages.Name(r.Stage))
	}
	if r.Overrides {
		what = append(what, "delete all changes in /etc and /usr")
	}
	if r.HandOver {
		what = append(what, "delete home directories, keys, Wi-Fi networks, logs, messages and all volumes")
	}
	if r.Containers {
		what = append(what, "delete containers and volumes of stages")
	}
	return strings.Join(what, ", ")
}
