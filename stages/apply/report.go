package apply

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages"
)

// ReportPath is where the report of this boot lies on the device.
const ReportPath = "/run/pkctl/apply.json"

// reportVersion is the version of the format of the report.
const reportVersion = 1

// Limits of the reasons in the state file, which every boot reads.
const (
	maxReasons = 20
	maxReason  = 500 // bytes
)

// Report is the result of Apply: verdict and reasons, the apps, the health checks, and the stage of the next boot.
type Report struct {
	Version  int           `json:"version"`
	Stage    int           `json:"stage"`  // 0 for none
	Result   stages.Result `json:"result"` // good or failed; pending while there is no verdict
	Reasons  []string      `json:"reasons"`
	Started  time.Time     `json:"started"`
	Finished time.Time     `json:"finished"`
	Apps     []Outcome     `json:"apps"`
	Checks   []Check       `json:"checks"`
	Next     int           `json:"next"`   // the stage that the next boot starts
	Reboot   bool          `json:"reboot"` // a reboot was started for it
}

// ParseReport parses the JSON report of Apply. It fails for another format version.
func ParseReport(data []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return Report{}, fmt.Errorf("parse the report of apply: %w", err)
	}
	if r.Version != reportVersion {
		return Report{}, fmt.Errorf("parse the report of apply: version is %d, want %d", r.Version, reportVersion)
	}
	return r, nil
}

// Marshal encodes the report as JSON.
func (r *Report) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	return append(data, '\n'), err
}

// Write durably writes the report to a file, and creates the file's directory if necessary.
func (r *Report) Write(name string) error {
	data, err := r.Marshal()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("write the report of apply: %w", err)
	}
	return atomicfile.Write(name, data, 0o644)
}

// close enters the verdict: good if there is no reason against the stage.
func (r *Report) close(at time.Time, reasons []string) {
	r.Finished, r.Reasons, r.Result = stamp(at), []string{}, stages.Good
	if len(reasons) == 0 {
		return
	}
	r.Result = stages.Failed
	for _, text := range reasons[:min(len(reasons), maxReasons)] {
		r.Reasons = append(r.Reasons, shortened(oneLine(text)))
	}
}

// String returns a line for people: the app, its state, and the error.
func (o Outcome) String() string {
	name := o.Deployment
	if name == "" {
		name = o.Project
	}
	if o.Error == "" {
		return fmt.Sprintf("app %s: %s", name, o.State)
	}
	return fmt.Sprintf("app %s: %s: %s", name, o.State, o.Error)
}

// String returns a description of the check's result for people, with the check's output.
func (c Check) String() string {
	text := fmt.Sprintf("check %s: passed", c.Name)
	if c.Error != "" {
		text = fmt.Sprintf("check %s: failed: %s", c.Path, c.Error)
	}
	if c.Output != "" {
		text += ": " + c.Output
	}
	return text
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// shortened keeps the beginning of a text, which names what failed, and its end, which says why.
func shortened(text string) string {
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason/2], "") + " … " + strings.ToValidUTF8(text[len(text)-maxReason/2:], "")
}

func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
