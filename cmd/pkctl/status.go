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

func statusCommand() *cobra.Command {
	f := &flags{}
	var brief bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what runs, why, what comes next, what was changed and what failed",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := f.device(cmd).Status()
			return cli.Print(cmd, s, func(w io.Writer) error {
				if brief {
					return lines(w, messageOfTheDay(s)...)
				}
				return printStatus(w, s)
			})
		},
	}
	f.addStore(cmd)
	f.addBoot(cmd)
	f.addState(cmd)
	f.addApplied(cmd)
	cmd.Flags().BoolVar(&brief, "brief", false, "show only what is not as it should be, as the message of the day does")
	cli.AddJSON(cmd)
	cmd.MarkFlagsMutuallyExclusive("json", "brief")
	return cmd
}

func printStatus(w io.Writer, s *device.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("running", "%s (%s)", stages.Name(s.Running.Stage), s.Running.Reason)
	if s.Running.Ladder != "" {
		row("recovery", "%s, after boots without a verdict", s.Running.Ladder)
	}
	if s.Running.Pallet != "" {
		row("pallet", "%s %s", s.Running.Pallet, s.Running.VersionText())
	}
	if s.Verdict != nil {
		row("verdict", "%s, on %s", s.Verdict.Result, s.Verdict.When)
	}
	row("next boot", "%s (%s)", stages.Name(s.Next.Stage), s.Next.Reason)
	if s.Next.Pallet != "" && s.Next.Stage != s.Running.Stage {
		row("", "%s %s", s.Next.Pallet, s.Next.VersionText())
	}
	if s.Next.Ladder != "" {
		row("", "recovery: %s", s.Next.Ladder)
	}
	if s.Reset != nil {
		row("to be reset", "%s", describeReset(*s.Reset))
	}
	for _, f := range s.Failed {
		row("failed", "stage %d, on %s", f.Stage, f.When)
		for _, reason := range f.Reasons {
			row("", "%s", reason)
		}
	}
	row("overrides", "%s", overridesText(s.Overrides))
	if len(s.Hiding) > 0 {
		row("hidden updates", "%s: see pkctl override ls --hiding", device.List(s.Hiding))
	}
	if len(s.Queued) > 0 {
		row("to be reverted", "%s", device.List(s.Queued))
	}
	for _, p := range s.Problems {
		row("problem", "%s", p)
	}
	return t.Flush()
}

func overridesText(n *int) string {
	switch {
	case n == nil:
		return "unknown"
	case *n == 0:
		return "none"
	}
	return fmt.Sprintf("%d in /etc and /usr", *n)
}
