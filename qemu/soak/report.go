package soak

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/PlanktoScope/pkbuild/stages"
)

// Report counts simulated power cuts and those with findings, in total and by step of the scenario.
type Report struct {
	Seed     uint64  `json:"seed"`
	Made     int     `json:"made"`   // cuts
	Booted   int     `json:"booted"` // of them in QEMU
	Findings int     `json:"findings"`
	Seconds  float64 `json:"seconds"`
	Steps    []Step  `json:"steps"`
}

// Step counts the power cuts in one step of the scenario, those with findings, and the stages that pkinit would boot
// afterwards.
type Step struct {
	Name     string      `json:"name"`
	Made     int         `json:"made"`
	Lost     int         `json:"lost"` // writes that the cuts lost or tore
	Stages   map[int]int `json:"stages"`
	Findings int         `json:"findings"`
}

// Summarize counts the outcomes of power cuts by step of the scenario, in the order of the recording. seed and took, the
// time that all cuts took, are for the report only.
func Summarize(seed uint64, outcomes []Outcome, took time.Duration) Report {
	r := Report{Seed: seed, Made: len(outcomes), Seconds: took.Seconds()}
	index := map[string]int{}
	for _, o := range byTime(outcomes) {
		i, known := index[o.Step]
		if !known {
			i = len(r.Steps)
			index[o.Step] = i
			r.Steps = append(r.Steps, Step{Name: o.Step, Stages: map[int]int{}})
		}
		s := &r.Steps[i]
		s.Made++
		s.Lost += o.Writes.Lost + o.Writes.Torn
		s.Stages[o.Stage]++
		if o.Booted {
			r.Booted++
		}
		if len(o.Findings) > 0 {
			s.Findings++
			r.Findings++
		}
	}
	return r
}

// Write writes the report as a table in Markdown.
func (r Report) Write(w io.Writer) error {
	fmt.Fprintf(w, "%d power cuts with seed %d in %.0f s, %d of them also booted: %d with findings\n\n", r.Made, r.Seed, r.Seconds, r.Booted, r.Findings)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| step\t| cuts\t| writes lost or torn\t| stage selected afterwards\t| findings\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|")
	for _, s := range r.Steps {
		fmt.Fprintf(t, "| %s\t| %d\t| %d\t| %s\t| %d\t|\n", s.Name, s.Made, s.Lost, counts(s.Stages), s.Findings)
	}
	return t.Flush()
}

// counts lists how often each stage was selected.
func counts(selected map[int]int) string {
	text := ""
	for _, n := range slices.Sorted(maps.Keys(selected)) {
		text += fmt.Sprintf(", %s: %d", stages.Name(n), selected[n])
	}
	return strings.TrimPrefix(text, ", ")
}

func byTime(outcomes []Outcome) []Outcome {
	return slices.SortedStableFunc(slices.Values(outcomes), func(a, b Outcome) int {
		return cmp.Or(cmp.Compare(a.Boot, b.Boot), cmp.Compare(a.Entries, b.Entries))
	})
}
