package scenario

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Message returns the reasons why the scenario failed, one per line, or "" if it passed.
func (r *Result) Message() string {
	var lines []string
	for _, f := range r.Failures {
		lines = append(lines, f.String())
	}
	if r.Err != nil {
		lines = append(lines, r.Err.Error())
	}
	return strings.Join(lines, "\n")
}

// Verdict returns "passed" or "failed".
func (r *Result) Verdict() string {
	if r.Failed() {
		return "failed"
	}
	return "passed"
}

// WriteTable writes results of scenarios, none of them nil, as a table for a terminal, followed by the reasons of failures.
func WriteTable(w io.Writer, results []*Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCENARIO\tRESULT\tSTEPS\tTIME\tTITLE")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%d/%d\t%s\t%s\n", r.Name, r.Verdict(), r.Steps, r.Of, r.Time.Round(time.Second), r.Title)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if !r.Failed() {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s failed:\n%s\n%s\n", r.Name, r.Message(), r.Details); err != nil {
			return err
		}
	}
	return nil
}

// WritePage writes results of scenarios, none of them nil, as a page in Markdown that names the image.
func WritePage(w io.Writer, image string, results []*Result) error {
	var b strings.Builder
	passed := 0
	for _, r := range results {
		if !r.Failed() {
			passed++
		}
	}
	fmt.Fprintf(&b, "# Boots\n\nWritten by `pkbuild test`. Image: %s. %d of %d scenarios passed.\n\n", image, passed, len(results))
	b.WriteString("| scenario | shows | machine | result | steps | time |\n|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d/%d | %s |\n", r.Name, cell(r.Title), r.Machine, r.Verdict(), r.Steps, r.Of,
			r.Time.Round(time.Second))
	}
	for _, r := range results {
		if r.Failed() {
			fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n%s\n```\n", r.Name, r.Message(), r.Details)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell escapes a text for a cell of a table.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text) }

// junit is the format that CI services read.
type junit struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes results of scenarios, none of them nil, as one JUnit XML test suite, for CI systems.
func WriteJUnit(w io.Writer, suite string, results []*Result) error {
	s := junit{Name: suite, Tests: len(results)}
	total := time.Duration(0)
	for _, r := range results {
		c := junitCase{Class: suite, Name: r.Name, Time: seconds(r.Time)}
		total += r.Time
		if r.Failed() {
			s.Failures++
			message, _, _ := strings.Cut(r.Message(), "\n")
			c.Failure, c.Output = &junitFailure{message, r.Message()}, r.Details
		}
		s.Cases = append(s.Cases, c)
	}
	s.Time = seconds(total)
	data, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode JUnit XML: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, data)
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }

// MarshalJSON encodes the result with the verdict as "result", each failure as text, and the time in seconds.
func (r *Result) MarshalJSON() ([]byte, error) {
	failures := []string{}
	for _, f := range r.Failures {
		failures = append(failures, f.String())
	}
	message := ""
	if r.Err != nil {
		message = r.Err.Error()
	}
	return json.Marshal(map[string]any{
		"name": r.Name, "title": r.Title, "machine": r.Machine, "result": r.Verdict(), "steps": r.Steps, "of": r.Of,
		"failures": failures, "error": message, "details": r.Details, "seconds": r.Time.Seconds(),
	})
}
