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

// answers are the outputs of the questions, by their names.
type answers map[string]Output

// lines returns the lines of an output, none if it is empty.
func lines(o Output) []string {
	if o.Text == "" {
		return nil
	}
	return strings.Split(o.Text, "\n")
}

// fillSystem takes over what can be known of every system.
func (r *Result) fillSystem(a answers) {
	r.System = a["system"].Text
	r.Failed = firstWords(lines(a["failed"]))
	if r.System != "running" && r.System != "degraded" {
		for _, job := range lines(a["jobs"]) {
			r.Jobs = append(r.Jobs, strings.Join(strings.Fields(job), " "))
		}
	}
	pkinit, asked := a["pkinit"]
	r.Foreign = asked && pkinit.Code != 0
	r.Layers = []string{}
	if stage := a["stage"]; stage.Code == 0 {
		r.Layers = append(r.Layers, lines(stage)...)
	}
	r.Sysroot = Attempt{Output: a["writeroot"]}
	r.fillReport(a["report"])
}

// fill takes over the answers that have to be parsed.
func (r *Result) fill(a answers) error {
	return errors.Join(
		r.fillMounts(a["mountinfo"]),
		r.fillUnits(a["units"], a["files"]),
		r.fillApps(a["manifest"], a["containers"]),
		number(a, "reloads", &r.Reloads, strconv.Atoi),
		number(a, "started", &r.Seconds.Agent, uptime),
		number(a, "settled", &r.Seconds.Settled, uptime),
	)
}

func (r *Result) fillReport(o Output) {
	if o.Code != 0 {
		r.NoReport = o.Text
		return
	}
	var b report.Boot
	if err := json.Unmarshal([]byte(o.Text), &b); err != nil {
		r.NoReport = fmt.Sprintf("%s: %v", report.Path, err)
		return
	}
	r.Report, r.Seconds.Handoff = &b, b.Handoff
}

func (r *Result) fillMounts(o Output) error {
	infos, err := mountinfo.GetMountsFromReader(strings.NewReader(o.Text), nil)
	if err != nil {
		return fmt.Errorf("guest's mountinfo: %w", err)
	}
	r.Overlays = []report.Overlay{}
	for _, i := range infos {
		switch {
		case i.Mountpoint == overlays.CurrentStage:
			r.Stage = &Bind{Root: i.Root, Options: i.Options}
		case i.FSType == "overlay" && slices.Contains([]string{"/usr", "/etc"}, i.Mountpoint):
			m, err := overlays.ParseOptions(i.VFSOptions)
			if err != nil {
				return fmt.Errorf("guest's mountinfo: %s: %w", i.Mountpoint, err)
			}
			r.Overlays = append(r.Overlays, report.Overlay{
				Target: i.Mountpoint, Source: i.Source, Lowerdirs: m.Lowerdirs, Upperdir: m.Upperdir, Workdir: m.Workdir,
			})
		}
	}
	return nil
}

// fillUnits joins the unit files of the stage with systemd's properties of the units.
func (r *Result) fillUnits(units, files Output) error {
	if units.Code != 0 {
		return fmt.Errorf("systemctl show in the guest: exit code %d: %s", units.Code, units.Text)
	}
	var shown []Unit
	for block := range strings.SplitSeq(units.Text, "\n\n") {
		shown = append(shown, parseUnit(block))
	}
	r.Units = []Unit{}
	for _, line := range lines(files) {
		verdict, file, _ := strings.Cut(line, " ")
		if verdict != "same" && verdict != "other" {
			return fmt.Errorf("list the stage's unit files: unexpected line %q", line)
		}
		i := slices.IndexFunc(shown, func(u Unit) bool { return slices.Contains(u.names, path.Base(file)) })
		if i < 0 {
			return fmt.Errorf("systemctl show in the guest: %s is missing", path.Base(file))
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
		ConditionFailed: values["ConditionResult"] == "no" && values["ConditionTimestampMonotonic"] != "0",
		names:           strings.Fields(values["Names"]),
	}
}

// number parses the answer to a question whose script must have succeeded.
func number[T any](a answers, name string, to *T, parse func(string) (T, error)) error {
	o := a[name]
	n, err := parse(o.Text)
	if err != nil || o.Code != 0 {
		return fmt.Errorf("guest's answer to %s: exit code %d: %q", name, o.Code, o.Text)
	}
	*to = n
	return nil
}

// uptime parses the first field of /proc/uptime, in seconds.
func uptime(text string) (float64, error) {
	first, _, _ := strings.Cut(text, " ")
	return strconv.ParseFloat(first, 64)
}

func firstWords(list []string) []string {
	words := []string{}
	for _, line := range list {
		word, _, _ := strings.Cut(line, " ")
		words = append(words, word)
	}
	return words
}
