package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
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
	// Verdict is the one on this boot's stage; nil without one.
	Verdict *verdict        `json:"verdict,omitempty"`
	Reset   *override.Reset `json:"reset,omitempty"` // what is given up at the next boot
}

type verdict struct {
	Result  stages.Result `json:"result"`
	When    string        `json:"when"` // RFC 3339
	Reasons []string      `json:"reasons"`
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
	Stage   int      `json:"stage"`
	When    string   `json:"when"` // RFC 3339
	Reasons []string `json:"reasons,omitempty"`
}

func statusCommand() *cobra.Command {
	d := &device{}
	var asJSON, brief bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what runs, why, what comes next, what was changed and what failed",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := d.status(cmd)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				return cli.JSON(cmd.OutOrStdout(), s)
			case brief:
				return s.motd(cmd.OutOrStdout())
			}
			return s.print(cmd.OutOrStdout())
		},
	}
	d.addStore(cmd)
	d.addBoot(cmd)
	d.addState(cmd)
	d.addApplied(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&brief, "brief", false, "say only what is not as it should be, as the message of the day does")
	cmd.MarkFlagsMutuallyExclusive("json", "brief")
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
	return s, d.judgement(s)
}

// judgement adds what became of applying the stage, and what is queued.
func (d *device) judgement(s *status) error {
	reset, err := d.reset()
	if err != nil {
		return err
	}
	if reset != (override.Reset{}) {
		s.Reset = &reset
	}
	r, err := d.application()
	if err != nil || r == nil || r.Stage == 0 {
		return err
	}
	s.Verdict = &verdict{r.Result, rfc3339(r.Finished), slices.Concat([]string{}, r.Reasons)}
	if r.Result == stages.Failed {
		s.Degraded = true
		s.Problems = append(s.Problems, r.Reasons...)
	}
	return nil
}

func rfc3339(t time.Time) string { return t.Format("2006-01-02T15:04:05Z07:00") }

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
			out = append(out, failed{n, rfc3339(r.Last), r.Reasons})
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
	if s.Verdict != nil {
		row("verdict", "%s, on %s", s.Verdict.Result, s.Verdict.When)
	}
	row("next boot", "%s (%s)", stages.Name(s.Next.Stage), s.Next.Reason)
	if s.Reset != nil {
		row("to be reset", "%s", describeReset(*s.Reset))
	}
	for _, f := range s.Failed {
		row("failed", "stage %d, on %s", f.Stage, f.When)
		for _, reason := range f.Reasons {
			row("", "%s", reason)
		}
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

// few is how many of many are named.
const few = 3

// list names the first few of many.
func list(paths []string) string {
	if len(paths) <= few {
		return strings.Join(paths, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(paths[:few], ", "), len(paths)-few)
}
