package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

func resultCommand(d *device) *cobra.Command {
	verdicts := []stages.Result{stages.Good, stages.Failed, stages.Pending}
	var of string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "result [good|failed|pending]",
		Short: "Show the verdict on a stage, or record one",
		Long: "Show the verdict on a stage, by default on the one that is running: when it was and why. With a verdict, record\n" +
			"that one. The device does so by itself after every boot; this is for one whose stages are judged by other means.",
		Args:      cli.Optional("VERDICT"),
		ValidArgs: []string{string(stages.Good), string(stages.Failed), string(stages.Pending)},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return d.showResult(cmd, of, asJSON)
			}
			verdict := stages.Result(args[0])
			if !slices.Contains(verdicts, verdict) {
				return fmt.Errorf("%w: %q is no verdict: good, failed or pending", cli.ErrUsage, args[0])
			}
			return d.change(cmd, func(s *store.Store) error {
				n, err := d.judged(s.Staged(), of)
				if err != nil {
					return err
				}
				return s.Judge(n, verdict, time.Now())
			})
		},
	}
	cmd.Flags().StringVar(&of, "stage", "", "`stage` to judge (default: the running one)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("stage", d.completeStages))
	return cmd
}

// judged is the stage that a verdict is on.
func (d *device) judged(s stages.Staged, name string) (int, error) {
	if name != "" {
		return s.Resolve(name)
	}
	n, err := d.running()
	if err == nil && n == 0 {
		err = fmt.Errorf("no stage is running: name one with --stage")
	}
	return n, err
}

// result is the verdict on a stage.
type result struct {
	Stage    int           `json:"stage"`
	Result   stages.Result `json:"result"`
	When     string        `json:"when,omitempty"` // RFC 3339
	Attempts int           `json:"attempts"`       // boots without a verdict
	Reasons  []string      `json:"reasons"`
}

func (d *device) showResult(cmd *cobra.Command, of string, asJSON bool) error {
	snapshot := d.load(cmd)
	n, err := d.judged(snapshot.Staged, of)
	if err != nil {
		return err
	}
	record := snapshot.State.Stages[n]
	r := result{n, record.Result, "", record.Attempts, slices.Concat([]string{}, record.Reasons)}
	if !record.Last.IsZero() {
		r.When = rfc3339(record.Last)
	}
	if r.Result == "" {
		r.Result = stages.Pending
		if slices.Contains(snapshot.Staged.History, n) {
			r.Result = stages.Good // before anybody took note of when
		}
	}
	if asJSON {
		return cli.JSON(cmd.OutOrStdout(), r)
	}
	return r.print(cmd.OutOrStdout())
}

func (r result) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "stage\t%d\n", r.Stage)
	fmt.Fprintf(t, "verdict\t%s\n", r.Result)
	fmt.Fprintf(t, "when\t%s\n", dash([]string{r.When}))
	fmt.Fprintf(t, "attempts\t%d of %d\n", r.Attempts, stages.MaxAttempts)
	for _, reason := range r.Reasons {
		fmt.Fprintf(t, "reason\t%s\n", reason)
	}
	return t.Flush()
}
