package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/overlays/override"
)

func overrideCommand() *cobra.Command {
	d := &device{}
	cmd := cli.Group("override", "List, explain and revert what the device's user changed in /etc and /usr",
		overrideLsCommand(d), overrideDiffCommand(d), overrideWhyCommand(d),
		overrideKeepCommand(d), overrideRevertCommand(d), overrideScanCommand(d))
	d.addBoot(cmd)
	d.addState(cmd)
	return cmd
}

func overrideLsCommand(d *device) *cobra.Command {
	var asJSON, hiding bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List what the user changed",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, _, err := d.overrides()
			if err != nil {
				return err
			}
			shown := []changedFile{}
			for _, o := range all {
				if !hiding || o.Hides != 0 {
					shown = append(shown, o)
				}
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), shown)
			}
			return overrideTable(cmd.OutOrStdout(), shown)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&hiding, "hiding", false, "only what hides an update")
	return cmd
}

func overrideTable(w io.Writer, all []changedFile) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "nothing is overridden")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PATH\tCHANGE\tAGAINST\tNOTE")
	for _, o := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", o.Path, o.Change, dash([]string{o.Against}), dash(o.notes()))
	}
	return t.Flush()
}

// notes are what is special about an override.
func (o changedFile) notes() []string {
	var out []string
	if o.Hides != 0 {
		out = append(out, fmt.Sprintf("hides an update since stage %d", o.Hides))
	}
	if o.Queued {
		out = append(out, "reverted at the next boot")
	}
	return out
}

func overrideWhyCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:   "why PATH",
		Short: "Say where a file comes from, and what the user changed in it",
		Args:  cli.Exactly("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := d.picked(args)
			if err != nil {
				return err
			}
			for _, o := range found {
				if err := say(cmd, "%s\n", o.sentence()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// sentence tells the story of an override.
func (o changedFile) sentence() string {
	text := fmt.Sprintf("%s is the user's: %s", o.Path, o.Change)
	if o.Against != "" {
		text += " against " + o.Against
	}
	text += fmt.Sprintf("; first seen with stage %d", o.Since)
	for _, n := range o.notes() {
		text += "; " + n
	}
	return text
}

func overrideDiffCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:   "diff PATH...",
		Short: "Show the difference between the user's files and what they hide",
		Args:  atLeastOne("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := d.picked(args)
			if err != nil {
				return err
			}
			for _, o := range found {
				if err := diff(cmd, o); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// diff lets diff(1) compare two files; nothing stands for one that is not there. Where the contents are the same it says
// what else the user changed.
func diff(cmd *cobra.Command, o changedFile) error {
	switch o.Change {
	case override.Metadata, override.Unchanged, override.Replaced:
		return say(cmd, "%s\n", o.sentence())
	}
	was, is := o.below, o.mine
	if was == "" {
		was = "/dev/null"
	}
	if o.Change == override.Deleted {
		is = "/dev/null"
	}
	label := o.Against
	if label == "" {
		label = "nothing"
	}
	c := exec.CommandContext(cmd.Context(), "diff", "--unified", "--label", o.Path+" of "+label, "--label", o.Path+" of the user",
		"--", was, is)
	c.Stdout, c.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
	err := c.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 { // they differ
		return nil
	}
	return err
}

func overrideKeepCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:   "keep PATH...",
		Short: "Keep the user's files over the updates that they hide, without further notice of these",
		Args:  atLeastOne("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, boot, err := d.overrides()
			if err != nil {
				return err
			}
			found, err := pick(all, args)
			if err != nil {
				return err
			}
			ledger, err := d.ledger()
			if err != nil {
				return err
			}
			ledger = ledger.Observe(bare(all), boot.Choice.Stage)
			for _, o := range found {
				ledger = ledger.Keep(o.Override, boot.Choice.Stage)
			}
			return d.setLedger(ledger)
		},
	}
}

func overrideRevertCommand(d *device) *cobra.Command {
	var everything, cancel bool
	cmd := &cobra.Command{
		Use:   "revert PATH...",
		Short: "Give up the user's files at the next boot, for what they hide",
		Long: "Give up the user's files at the next boot, for what they hide. Of a directory all that is in it is given up.\n" +
			"Until then nothing changes, and --cancel takes it all back.",
		Args: func(cmd *cobra.Command, args []string) error {
			if everything || cancel {
				return cli.Exactly()(cmd, args)
			}
			return atLeastOne("PATH")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cancel {
				return d.setQueue(nil)
			}
			all, _, err := d.overrides()
			if err != nil {
				return err
			}
			if !everything {
				if all, err = pick(all, args); err != nil {
					return err
				}
			}
			queue, err := d.queue()
			if err != nil {
				return err
			}
			for _, o := range all {
				queue = queue.Add(o.Path)
			}
			if err := d.setQueue(queue); err != nil {
				return err
			}
			return say(cmd, "%d to revert at the next boot\n", len(all))
		},
	}
	cmd.Flags().BoolVar(&everything, "all", false, "revert everything")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "revert nothing at the next boot")
	cmd.MarkFlagsMutuallyExclusive("all", "cancel")
	return cmd
}

func overrideScanCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:   "scan",
		Short: "Note what is overridden, to tell later when an update is hidden: a unit runs it at every boot",
		Args:  cli.Exactly(),
		RunE: func(*cobra.Command, []string) error {
			all, boot, err := d.overrides()
			if err != nil {
				return err
			}
			ledger, err := d.ledger()
			if err != nil {
				return err
			}
			return d.setLedger(ledger.Observe(bare(all), boot.Choice.Stage))
		},
	}
}

func atLeastOne(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%w: %s is missing", cli.ErrUsage, name)
		}
		return nil
	}
}
