package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/PlanktoScope/pkbuild/initsteps/report"
)

// writeReport writes a report for people.
func writeReport(w io.Writer, b report.Boot) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "pkinit\t%s\n", b.Pkinit)
	fmt.Fprintf(t, "root\t%s (%s)\n", b.Root.Device, b.Root.Spec)
	fmt.Fprintf(t, "stage\t%s\n", b.Choice.Reason)
	for _, p := range b.Problems {
		fmt.Fprintf(t, "problem\t%s\n", p)
	}
	for _, s := range b.Steps {
		fmt.Fprintf(t, "step\t%s\t%s\t%.3f s\t%s\n", s.Name, s.State, s.Seconds, cmp.Or(s.Error, s.Note))
	}
	for _, o := range b.Overlays {
		fmt.Fprintf(t, "overlay\t%s\t%s\n", o.Target, strings.Join(append([]string{o.Upperdir}, o.Lowerdirs...), " over "))
	}
	fmt.Fprintf(t, "handed over\t%.3f s after the kernel started\n", b.Handoff)
	return t.Flush()
}
