package qemu

import (
	"fmt"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Judge says what is not as it should be after a boot that Boot could tell about: a sentence for each thing, in the
// order in which a boot goes; nothing if all is well.
func Judge(r *Result) []string {
	return slices.Concat(
		judgeBoards(r.Boards),
		judgeReport(r),
		judgeStage(r),
		judgeOverlays(r),
		judgeSystem(r),
		judgeUnits(r.Units),
		judgeOutside(r),
		judgeChecks(r.Checks),
	)
}

func judgeBoards(boards []Firmware) []string {
	var list []string
	for _, f := range boards {
		if f.Problem != "" {
			list = append(list, "firmware of "+f.Problem)
		}
		for _, w := range f.Warnings {
			list = append(list, fmt.Sprintf("firmware of %s: %s", f.Board, w))
		}
	}
	return list
}

func judgeReport(r *Result) []string {
	b := r.Report
	switch {
	case b == nil:
		return []string{"pkinit has left no report: " + r.NoReport}
	case b.Version != report.Version:
		return []string{fmt.Sprintf("the report of pkinit has version %d, want %d", b.Version, report.Version)}
	}
	var list []string
	if len(b.Steps) == 0 {
		list = append(list, "pkinit has done no step")
	}
	for _, s := range b.Steps {
		if s.State != report.Done && s.State != report.Skipped {
			list = append(list, fmt.Sprintf("pkinit's step %s is %s: %s", s.Name, s.State, s.Error))
		}
	}
	for _, p := range b.Problems {
		list = append(list, "pkinit says: "+p)
	}
	if b.Degraded && len(list) == 0 {
		list = append(list, "pkinit says that the boot is degraded, and not why")
	}
	return list
}

// judgeStage: what is bound must be the chosen bundle, and nobody may write to it.
func judgeStage(r *Result) []string {
	if r.Report == nil || r.Report.Choice.Stage == 0 {
		return nil
	}
	bundle := r.Report.Choice.Bundle
	switch {
	case r.Stage == nil:
		return []string{fmt.Sprintf("nothing is mounted on %s", currentStage)}
	case r.Stage.Root != bundle:
		return []string{fmt.Sprintf("%s shows %s, want %s", currentStage, r.Stage.Root, bundle)}
	case !slices.Contains(strings.Split(r.Stage.Options, ","), "ro"):
		return []string{fmt.Sprintf("%s can be written", currentStage)}
	}
	return nil
}

func judgeOverlays(r *Result) []string {
	var list []string
	for _, dir := range []string{"usr", "etc"} {
		i := slices.IndexFunc(r.Overlays, func(o report.Overlay) bool { return o.Target == "/"+dir })
		if i < 0 {
			list = append(list, fmt.Sprintf("no overlay is mounted on /%s", dir))
			continue
		}
		got, want := r.Overlays[i], wantedOverlay(r, dir)
		for _, c := range []struct{ what, got, want string }{
			{"source", got.Source, want.Source},
			{"lowerdirs", strings.Join(got.Lowerdirs, ":"), strings.Join(want.Lowerdirs, ":")},
			{"upperdir", got.Upperdir, want.Upperdir},
			{"workdir", got.Workdir, want.Workdir},
		} {
			if c.got != c.want {
				list = append(list, fmt.Sprintf("the overlay on /%s has %s %s, want %s", dir, c.what, c.got, c.want))
			}
		}
	}
	return list
}

// wantedOverlay is the overlay on a directory as it should be. The stage's layer is seen through the read-only bind.
func wantedOverlay(r *Result, dir string) report.Overlay {
	o := report.Overlay{
		Source:    "pkinit:/" + dir,
		Lowerdirs: []string{"/sysroot/" + dir},
		Upperdir:  "/var/lib/overlays/overrides/" + dir,
		Workdir:   "/var/lib/overlays/workdirs/" + dir,
	}
	if slices.Contains(r.Layers, dir) {
		o.Lowerdirs = append([]string{currentStage + "/exports/overlays/" + dir}, o.Lowerdirs...)
	}
	return o
}

func judgeSystem(r *Result) []string {
	var list []string
	for _, u := range r.Failed {
		list = append(list, fmt.Sprintf("unit %s has failed", u))
	}
	switch {
	case r.System == "running", r.System == "degraded" && len(r.Failed) > 0:
	case r.System == "":
		list = append(list, "the system had not started when its time was up; jobs: "+strings.Join(r.Jobs, "; "))
	default:
		list = append(list, fmt.Sprintf("the system is %s, want running", r.System))
	}
	if r.Reloads > 0 {
		list = append(list, fmt.Sprintf("systemd was reloaded %d times during the boot", r.Reloads))
	}
	return list
}

func judgeUnits(units []Unit) []string {
	var list []string
	for _, u := range units {
		say := func(format string, args ...any) {
			list = append(list, fmt.Sprintf("service %s of the stage ", u.ID)+fmt.Sprintf(format, args...))
		}
		if u.Load != "loaded" {
			say("is %s, want loaded", u.Load)
			continue
		}
		if !u.Same {
			say("is hidden: %s is not the stage's file", u.StagePath)
		}
		if u.Path != u.StagePath {
			say("is read from %s, want %s", u.Path, u.StagePath)
		}
		if u.enabled() && u.Type != "oneshot" && u.Active != "active" && !u.Unwanted {
			say("is enabled, and %s (%s, %s)", u.Active, u.Sub, u.Result)
		}
		if u.NeedReload {
			say("has changed since systemd read it")
		}
	}
	return list
}

func (u Unit) enabled() bool { return u.FileState == "enabled" || u.FileState == "enabled-runtime" }

func judgeOutside(r *Result) []string {
	var list []string
	switch {
	case r.Sysroot.Code == 0:
		list = append(list, "/sysroot can be written")
	case !strings.Contains(r.Sysroot.Output, "Read-only file system"):
		list = append(list, "/sysroot refuses to be written, and not since it is read-only: "+r.Sysroot.Output)
	}
	if r.SSH == "" {
		list = append(list, "SSH does not answer: "+r.NoSSH)
	}
	return list
}

func judgeChecks(checks []Attempt) []string {
	var list []string
	for _, c := range checks {
		if c.Code != 0 {
			list = append(list, fmt.Sprintf("check %s ends with exit code %d: %s", c.Name, c.Code, c.Output))
		}
	}
	return list
}
