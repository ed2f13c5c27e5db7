package qemu

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// Timing is the time of a phase of a boot, in seconds.
type Timing struct {
	Phase  string  `json:"phase"`
	Now    float64 `json:"now"`
	Before float64 `json:"before,omitempty"` // of the boot to compare with; 0 if it has no such phase
}

// Timings returns the times of a boot's phases: up to the hand-off to systemd, pkinit as a whole and in its steps, up to the
// first shell and up to the moment when the system has started. Before, which may be nil, is an earlier boot to compare
// with.
func Timings(r, before *Result) []Timing {
	earlier := map[string]float64{}
	if before != nil {
		for _, p := range phases(before) {
			earlier[p.Phase] = p.Now
		}
	}
	all := phases(r)
	for i := range all {
		all[i].Before = earlier[all[i].Phase]
	}
	return all
}

func phases(r *Result) []Timing {
	all := []Timing{{Phase: "handoff", Now: r.Seconds.Handoff}}
	if r.Report != nil {
		total := 0.0
		for _, s := range r.Report.Steps {
			total += s.Seconds
		}
		all = append(all, Timing{Phase: "pkinit", Now: total})
		for _, s := range r.Report.Steps {
			all = append(all, Timing{Phase: "pkinit " + s.Name, Now: s.Seconds})
		}
	}
	return append(all, Timing{Phase: "agent", Now: r.Seconds.Agent}, Timing{Phase: "started", Now: r.Seconds.Settled})
}

// ReadResult reads the result of an earlier boot from a file, as pkbuild boot --json prints it. It fails if the result has
// no times.
func ReadResult(file string) (*Result, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if r.Seconds.Settled == 0 {
		return nil, fmt.Errorf("read %s: no times of a boot; make it with pkbuild boot --json", file)
	}
	return r, nil
}

// WriteTimings writes times as a table in Markdown, with the ratio to the earlier boot where there is one.
func WriteTimings(w io.Writer, all []Timing) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| phase\t| seconds\t| before\t| ratio\t|\n|---\t|---\t|---\t|---\t|")
	for _, p := range all {
		before, ratio := "", ""
		if p.Before > 0 {
			before, ratio = fmt.Sprintf("%.3f", p.Before), fmt.Sprintf("%.2f", p.Now/p.Before)
		}
		fmt.Fprintf(t, "| %s\t| %.3f\t| %s\t| %s\t|\n", p.Phase, p.Now, before, ratio)
	}
	return t.Flush()
}
