package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/device"
)

func overrideCommand() *cobra.Command {
	f := &flags{}
	cmd := cli.Group("override", "List, explain and revert what the device's user changed in /etc and /usr",
		overrideLsCommand(f), overrideDiffCommand(f), overrideWhyCommand(f),
		overrideKeepCommand(f), overrideRevertCommand(f), overrideScanCommand(f), overrideCheckCommand(f))
	f.addBoot(cmd)
	f.addState(cmd)
	return cmd
}

func overrideLsCommand(f *flags) *cobra.Command {
	var hiding bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List what the user changed",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := f.device(cmd).Overrides()
			if err != nil {
				return err
			}
			shown := []device.Override{}
			for _, o := range all {
				if !hiding || o.Hides != 0 {
					shown = append(shown, o)
				}
			}
			return cli.Print(cmd, shown, func(w io.Writer) error { return overrideTable(w, shown) })
		},
	}
	cmd.Flags().BoolVar(&hiding, "hiding", false, "only what hides an update")
	return cmd
}

func overrideTable(w io.Writer, all []device.Override) error {
	if len(all) == 0 {
		return lines(w, "nothing is overridden")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PATH\tCHANGE\tAGAINST\tNOTE")
	for _, o := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", o.Path, o.Change, dash(o.Against), dash(o.Notes()...))
	}
	return t.Flush()
}

func overrideWhyCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "why PATH...",
		Short: "Show where a file comes from, and what the user changed",
		Args:  cli.AtLeast("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := f.device(cmd).Why(args)
			if err != nil {
				return err
			}
			return cli.Print(cmd, found, func(w io.Writer) error {
				for _, o := range found {
					if err := lines(w, o.String()); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func overrideDiffCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "diff PATH...",
		Short: "Show the difference between the user's files and what they hide",
		Args:  cli.AtLeast("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := f.device(cmd).Diff(args)
			if err != nil {
				return err
			}
			return cli.Print(cmd, found, func(w io.Writer) error {
				for _, o := range found {
					if _, err := io.WriteString(w, o.Diff); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func overrideKeepCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "keep PATH...",
		Short: "Keep the user's files over the updates that they hide, which are not reported any more",
		Args:  cli.AtLeast("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kept, err := f.device(cmd).Keep(cmd.Context(), args)
			if err != nil {
				return err
			}
			return cli.Silent(cmd, kept)
		},
	}
}

func overrideRevertCommand(f *flags) *cobra.Command {
	var everything, cancel bool
	cmd := &cobra.Command{
		Use:   "revert PATH...",
		Short: "Delete the user's files at the next boot, in favour of what they hide",
		Long: "Delete the user's files at the next boot, in favour of what they hide; of a directory, all that is in it. Until\n" +
			"then nothing changes, and --cancel cancels all reverts.",
		Args: func(cmd *cobra.Command, args []string) error {
			if everything || cancel {
				return cli.Exactly()(cmd, args)
			}
			return cli.AtLeast("PATH")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			d := f.device(cmd)
			var chosen []device.Override
			var err error
			switch {
			case cancel:
				if err := d.CancelReverts(cmd.Context()); err != nil {
					return err
				}
				return cli.Silent(cmd, []device.Override{})
			case everything:
				chosen, err = d.RevertAll(cmd.Context())
			default:
				chosen, err = d.Revert(cmd.Context(), args)
			}
			if err != nil {
				return err
			}
			return cli.Printf(cmd, chosen, "%s will be reverted at the next boot\n", count(len(chosen), "override"))
		},
	}
	cmd.Flags().BoolVar(&everything, "all", false, "revert everything")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "cancel all reverts")
	cmd.MarkFlagsMutuallyExclusive("all", "cancel")
	return cmd
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func overrideScanCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "scan",
		Short: "Record what is overridden, to report later which updates are hidden: a unit runs it at every boot",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := f.device(cmd)
			if err := d.Scan(cmd.Context()); err != nil {
				return err
			}
			all, err := d.Overrides()
			if err != nil {
				return err
			}
			return cli.Silent(cmd, all)
		},
	}
}
