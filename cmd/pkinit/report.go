package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// writeReport writes a report for people: what this boot is, its steps, its overlays.
func writeReport(w io.Writer, b report.Boot) error {
	return errors.Join(
		table(w, facts(b)),
		table(w, steps(b)),
		table(w, overlaid(b)),
	)
}

func facts(b report.Boot) [][]string {
	rows := [][]string{{"pkinit", b.Pkinit}}
	if b.Root.Device != "" {
		rows = append(rows, []string{"root", fmt.Sprintf("%s (%s)", b.Root.Device, b.Root.Spec)})
	}
	if g := b.Root.Grown; g != nil {
		const mib = 1 << 20
		rows = append(rows, []string{"grown", fmt.Sprintf("from %d to %d MiB", g.From/mib, g.To/mib)})
	}
	state := "as it should be"
	if b.Degraded {
		state = "degraded"
	}
	rows = append(rows, []string{"stage", b.Choice.Reason}, []string{"state", state})
	for _, p := range b.Problems {
		rows = append(rows, []string{"problem", p})
	}
	if b.Handoff > 0 {
		rows = append(rows, []string{"hand-off", fmt.Sprintf("%.3f s after the kernel started", b.Handoff)})
	}
	return append(rows, nil)
}

func steps(b report.Boot) [][]string {
	var rows [][]string
	for _, s := range b.Steps {
		row := []string{s.Name, string(s.State), fmt.Sprintf("%.3f s", s.Seconds)}
		if words := cmp.Or(s.Error, s.Note); words != "" {
			row = append(row, words)
		}
		rows = append(rows, row)
	}
	return append(rows, nil)
}

func overlaid(b report.Boot) [][]string {
	var rows [][]string
	for _, o := range b.Overlays {
		rows = append(rows, []string{o.Target, strings.Join(append([]string{o.Upperdir}, o.Lowerdirs...), " over ")})
	}
	return rows
}

// table writes rows of aligned cells; a nil row is an empty line.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}
