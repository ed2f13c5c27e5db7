package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/initsteps/report"
	"github.com/PlanktoScope/pkbuild/stages"
)

// status is what a device is at the moment, in one screen.
type status struct {
	Running  running  `json:"running"`
	Next     next     `json:"next"`
	Failed   []failed `json:"failed"`   // stages that were found bad
	Degraded bool     `json:"degraded"` // something of this boot is not as it should be
	Problems []string `json:"problems"`
	// Overrides counts what the user changed; Hiding is what of it hides an update, Queued what is reverted at the next
	// boot.
	Overrides int      `json:"overrides"`
	Hiding    []string `json:"hiding"`
	Queued    []string `json:"queued"`
}

type running struct {
	Stage   int    `json:"stage"` // 0 for none
	Reason  string `json:"reason"`
	Pallet  string `json:"pallet,omitempty"`
	Version string `json:"version,omitempty"`
}

type next struct {
	Stage  int    `json:"stage"`
	Reason string `json:"reason"`
}

type failed struct {
	Stage int    `json:"stage"`
	When  string `json:"when"` // RFC 3339
}

func statusCommand() *cobra.Command {
	d := &device{}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what runs, why, what comes next, what was changed and what failed",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := d.status(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), s)
			}
			return s.print(cmd.OutOrStdout())
		},
	}
	d.addStore(cmd)
	d.addBoot(cmd)
	d.addState(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (d *device) status(cmd *cobra.Command) (*status, error) {
	all, boot, err := d.overrides()
	if err != nil {
		return nil, err
	}
	snapshot := d.load(cmd)
	choice := stages.Select(snapshot)
	s := &status{
		Running:   d.describeRunning(boot),
		Next:      next{choice.Stage, choice.Reason},
		Failed:    failures(snapshot),
		Degraded:  boot.Degraded,
		Problems:  slices.Concat([]string{}, boot.Problems),
		Overrides: len(all),
		Hiding:    []string{},
		Queued:    []string{},
	}
	for _, o := range all {
		if o.Hides != 0 {
			s.Hiding = append(s.Hiding, o.Path)
		}
		if o.Queued {
			s.Queued = append(s.Queued, o.Path)
		}
	}
	return s, nil
}

func (d *device) describeRunning(boot report.Boot) running {
	r := running{Stage: boot.Choice.Stage, Reason: boot.Choice.Reason}
	if m, err := d.manifest(r.Stage); err == nil {
		r.Pallet, r.Version = m.Pallet.Path, m.Pallet.Version
	}
	return r
}

// failures are the stages that were found bad, in ascending order.
func failures(s stages.Snapshot) []failed {
	out := []failed{}
	for n, r := range s.State.Stages {
		if r.Result == stages.Failed {
			out = append(out, failed{n, r.Last.Format("2006-01-02T15:04:05Z07:00")})
		}
	}
	slices.SortFunc(out, func(a, b failed) int { return a.Stage - b.Stage })
	return out
}

func (s *status) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("running", "%s (%s)", stages.Name(s.Running.Stage), s.Running.Reason)
	if s.Running.Pallet != "" {
		row("pallet", "%s %s", s.Running.Pallet, s.Running.Version)
	}
	row("next boot", "%s (%s)", stages.Name(s.Next.Stage), s.Next.Reason)
	for _, f := range s.Failed {
		row("failed", "stage %d, on %s", f.Stage, f.When)
	}
	row("overrides", "%s", s.overrides())
	if len(s.Hiding) > 0 {
		row("hidden updates", "%s: see pkctl override ls --hiding", list(s.Hiding))
	}
	if len(s.Queued) > 0 {
		row("to be reverted", "%s", list(s.Queued))
	}
	for _, p := range s.Problems {
		row("problem", "%s", p)
	}
	return t.Flush()
}

func (s *status) overrides() string {
	if s.Overrides == 0 {
		return "none"
	}
	return fmt.Sprintf("%d in /etc and /usr", s.Overrides)
}

// list names the first few of many.
func list(paths []string) string {
	const few = 3
	if len(paths) <= few {
		return strings.Join(paths, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(paths[:few], ", "), len(paths)-few)
}
