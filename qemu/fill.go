package qemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// fill takes over what the probe found. What is missing or makes no sense is an error.
func (r *Result) fill(a answer, checks []Check) error {
	r.System = a["system"].text()
	r.Failed = firstWords(a["failed"].lines)
	if r.System != "running" && r.System != "degraded" {
		for _, job := range a["jobs"].lines {
			r.Jobs = append(r.Jobs, strings.Join(strings.Fields(job), " "))
		}
	}
	r.Layers = []string{}
	if s := a["stage"]; s.code == 0 {
		r.Layers = s.lines
	}
	r.Sysroot = attempt("", a["writeroot"])
	r.Checks = []Attempt{}
	for i, c := range checks {
		r.Checks = append(r.Checks, attempt(c.Name, a[checkSection(i)]))
	}
	r.fillReport(a["report"])
	return errors.Join(
		a.complete(len(checks)),
		r.fillMounts(a),
		r.fillUnits(a),
		number(a, "reloads", &r.Reloads, strconv.Atoi),
		number(a, "started", &r.Seconds.Probe, uptime),
		number(a, "settled", &r.Seconds.Settled, uptime),
	)
}

// complete misses sections.
func (a answer) complete(checks int) error {
	names := []string{
		"started", "system", "settled", "jobs", "report", "failed", "mountinfo", "stage", "files", "units", "reloads",
		"writeroot",
	}
	for i := range checks {
		names = append(names, checkSection(i))
	}
	var missing []string
	for _, name := range names {
		if _, ok := a[name]; !ok {
			missing = append(missing, name)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("the probe does not say: %s", strings.Join(missing, ", "))
}

func checkSection(i int) string { return fmt.Sprintf("check.%03d", i) }

func attempt(name string, s section) Attempt {
	return Attempt{Name: name, Code: s.code, Output: s.text()}
}

func (r *Result) fillReport(s section) {
	if s.code != 0 {
		r.NoReport = s.text()
		return
	}
	var b report.Boot
	if err := json.Unmarshal([]byte(s.text()), &b); err != nil {
		r.NoReport = fmt.Sprintf("%s: %v", report.Path, err)
		return
	}
	r.Report, r.Seconds.Handoff = &b, b.Handoff
}

// currentStage is where the chosen stage is bound.
const currentStage = "/run/forklift/stages/current"

func (r *Result) fillMounts(a answer) error {
	s, ok := a["mountinfo"]
	if !ok {
		return nil // complete says so
	}
	infos, err := mountinfo.GetMountsFromReader(strings.NewReader(s.text()), nil)
	if err != nil {
		return fmt.Errorf("mountinfo of the machine: %w", err)
	}
	r.Overlays = []report.Overlay{}
	for _, i := range infos {
		switch {
		case i.Mountpoint == currentStage:
			r.Stage = &Bind{Root: i.Root, Options: i.Options}
		case i.FSType == "overlay" && slices.Contains([]string{"/usr", "/etc"}, i.Mountpoint):
			m, err := overlays.ParseOptions(i.VFSOptions)
			if err != nil {
				return fmt.Errorf("mountinfo of the machine: %s: %w", i.Mountpoint, err)
			}
			r.Overlays = append(r.Overlays, report.Overlay{
				Target: i.Mountpoint, Source: i.Source, Lowerdirs: m.Lowerdirs, Upperdir: m.Upperdir, Workdir: m.Workdir,
			})
		}
	}
	return nil
}

// fillUnits joins the unit files of the stage with what systemd says of the units.
func (r *Result) fillUnits(a answer) error {
	units, ok := a["units"]
	if !ok {
		return nil // complete says so
	}
	if units.code != 0 {
		return fmt.Errorf("systemctl show in the machine: exit code %d: %s", units.code, units.text())
	}
	var shown []Unit
	for block := range strings.SplitSeq(units.text(), "\n\n") {
		shown = append(shown, parseUnit(block))
	}
	r.Units = []Unit{}
	for _, line := range a["files"].lines {
		verdict, file, _ := strings.Cut(line, " ")
		if verdict != "same" && verdict != "other" {
			return fmt.Errorf("unit files of the stage: %q is out of place", line)
		}
		i := slices.IndexFunc(shown, func(u Unit) bool { return slices.Contains(u.names, path.Base(file)) })
		if i < 0 {
			return fmt.Errorf("systemctl show in the machine: nothing of %s", path.Base(file))
		}
		u := shown[i]
		u.StagePath, u.Same = file, verdict == "same"
		r.Units = append(r.Units, u)
	}
	return nil
}

func parseUnit(block string) Unit {
	values := map[string]string{}
	for line := range strings.SplitSeq(block, "\n") {
		key, value, _ := strings.Cut(line, "=")
		values[key] = value
	}
	return Unit{
		ID: values["Id"], Type: values["Type"], Load: values["LoadState"], Active: values["ActiveState"],
		Sub: values["SubState"], Result: values["Result"], FileState: values["UnitFileState"],
		Path: values["FragmentPath"], NeedReload: values["NeedDaemonReload"] == "yes",
		Unwanted: values["ConditionResult"] == "no" && values["ConditionTimestampMonotonic"] != "0",
		names:    strings.Fields(values["Names"]),
	}
}

// number parses the output of a section that must have succeeded.
func number[T any](a answer, name string, to *T, parse func(string) (T, error)) error {
	s, ok := a[name]
	if !ok {
		return nil // complete says so
	}
	n, err := parse(s.text())
	if err != nil || s.code != 0 {
		return fmt.Errorf("the probe says of %s: exit code %d: %q", name, s.code, s.text())
	}
	*to = n
	return nil
}

// uptime reads /proc/uptime.
func uptime(text string) (float64, error) {
	first, _, _ := strings.Cut(text, " ")
	return strconv.ParseFloat(first, 64)
}

func firstWords(lines []string) []string {
	words := []string{}
	for _, line := range lines {
		word, _, _ := strings.Cut(line, " ")
		words = append(words, word)
	}
	return words
}
