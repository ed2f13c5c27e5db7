package initsteps

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// NewReport returns a boot report without any step. version is that of pkinit.
func NewReport(version string) *report.Boot {
	return &report.Boot{
		Version:  report.Version,
		Pkinit:   version,
		Problems: []string{},
		Steps:    []report.Step{},
		Overlays: []report.Overlay{},
	}
}

// LoadReport reads the boot report of this boot, or returns a new one with the version of pkinit if the file does not
// exist. It fails if the file cannot be parsed or has another version of the format.
func LoadReport(s System, version string) (*report.Boot, error) {
	data, err := s.ReadFile(report.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return NewReport(version), nil
	}
	if err != nil {
		return nil, err
	}
	b := NewReport(version)
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("parse %s: %w", report.Path, err)
	}
	if b.Version != report.Version {
		return nil, fmt.Errorf("parse %s: version is %d, want %d", report.Path, b.Version, report.Version)
	}
	return b, nil
}

// Save writes the boot report to /run/pkinit/boot.json, which lasts until the next boot.
func (b *Boot) Save() error {
	data, err := json.MarshalIndent(b.Report, "", "  ")
	if err != nil {
		return fmt.Errorf("write the boot report: %w", err)
	}
	if err := b.Mkdir(path.Dir(report.Path), mountpoint); err != nil {
		return err
	}
	return b.WriteFile(report.Path, append(data, '\n'), 0o644)
}

// Problem marks the boot as degraded, and prints a sentence for the administrator and adds it to the boot report, unless
// the report has the sentence already. Save writes the report.
func (b *Boot) Problem(p string) {
	b.Report.Degraded = true
	if slices.Contains(b.Report.Problems, p) {
		return
	}
	b.Report.Problems = append(b.Report.Problems, p)
	b.Print("problem: " + p)
}

// entry returns the entry of a step in the report; its state is "" if the step has not run.
func (b *Boot) entry(s Step) report.Step {
	for _, e := range b.Report.Steps {
		if e.Name == s.String() {
			return e
		}
	}
	return report.Step{Name: s.String()}
}

func (b *Boot) state(s Step) report.State { return b.entry(s).State }

// enter adds an entry to the report, in place of an earlier one of the same step, and prints it.
func (b *Boot) enter(e report.Step) {
	switch {
	case e.State == report.Failed:
		b.Problem(e.Error)
	case e.Note != "":
		b.Print(fmt.Sprintf("%s: %s (%s)", e.Name, e.State, e.Note))
	default:
		b.Print(fmt.Sprintf("%s: %s", e.Name, e.State))
	}
	i := slices.IndexFunc(b.Report.Steps, func(s report.Step) bool { return s.Name == e.Name })
	if i < 0 {
		b.Report.Steps = append(b.Report.Steps, e)
		return
	}
	b.Report.Steps[i] = e
}
