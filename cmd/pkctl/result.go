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
	"github.com/PlanktoScope/pkbuild/stages/device"
)

func resultCommand(f *flags) *cobra.Command {
	verdicts := []stages.Result{stages.Good, stages.Failed, stages.Pending}
	var of string
	cmd := &cobra.Command{
		Use:   "result [good|failed|pending]",
		Short: "Show the verdict on a stage, or record one",
		Long: "Show the verdict on a stage, by default on the running one: its time and its reasons. With a verdict, record that\n" +
			"one. The device does so by itself after every boot; this is for devices whose stages are judged by other means.",
		Args:      cli.Optional("VERDICT"),
		ValidArgs: []string{string(stages.Good), string(stages.Failed), string(stages.Pending)},
		RunE: func(cmd *cobra.Command, args []string) error {
			d := f.device(cmd)
			if len(args) == 0 {
				v, err := d.Verdict(of)
				if err != nil {
					return err
				}
				return cli.Print(cmd, v, func(w io.Writer) error { return printVerdict(w, v) })
			}
			result := stages.Result(args[0])
			if !slices.Contains(verdicts, result) {
				return fmt.Errorf("%w: %q is not a verdict: good, failed or pending", cli.ErrUsage, args[0])
			}
			v, err := d.Judge(cmd.Context(), of, result, time.Now())
			if err != nil {
				return err
			}
			return cli.Silent(cmd, v)
		},
	}
	cmd.Flags().StringVar(&of, "stage", "", "`stage` to judge (default: the running one)")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("stage", f.completeStages))
	return cmd
}

func printVerdict(w io.Writer, v device.Verdict) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "stage\t%d\n", v.Stage)
	fmt.Fprintf(t, "verdict\t%s\n", v.Result)
	fmt.Fprintf(t, "when\t%s\n", dash(v.When))
	fmt.Fprintf(t, "attempts\t%d of %d\n", v.Attempts, stages.MaxAttempts)
	for _, reason := range v.Reasons {
		fmt.Fprintf(t, "reason\t%s\n", reason)
	}
	return t.Flush()
}
