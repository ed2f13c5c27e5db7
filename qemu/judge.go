package qemu

import (
	"fmt"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers/firmware"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Judge returns the defects that a booted system has, one sentence each, in the order of a boot; nil if there are none. If
// the image was not built by pkbuild, it applies only the rules that hold for every system.
func Judge(r *Result) []string {
	if r.Foreign {
		return slices.Concat(judgeSystem(r), judgeChecks(r.Checks))
	}
	return slices.Concat(
		judgeBoards(r.Boards),
		judgeReport(r),
		judgeStage(r),
		judgeOverlays(r),
		judgeSystem(r),
		judgeUnits(r.Units),
		judgeApps(r),
		judgeSysroot(r.Sysroot),
		judgeSSH(r),
		judgeChecks(r.Checks),
	)
}

func judgeBoards(boards []firmware.Choice) []string {
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
		return []string{"pkinit has written no report: " + r.NoReport}
	case b.Version != report.Version:
		return []string{fmt.Sprintf("pkinit's report: version is %d, want %d", b.Version, report.Version)}
	}
	var list []string
	if len(b.Steps) == 0 {
		list = append(list, "pkinit's report has no steps")
	}
	for _, s := range b.Steps {
		if s.State != report.Done && s.State != report.Skipped {
			list = append(list, fmt.Sprintf("pkinit's step %s is %s: %s", s.Name, s.State, s.Error))
		}
	}
	for _, p := range b.Problems {
		list = append(list, "pkinit reports: "+p)
	}
	if b.Degraded && len(list) == 0 {
		list = append(list, "pkinit reports a degraded boot without a reason")
	}
	return list
}

// judgeStage checks that the chosen bundle is bound read-only.
func judgeStage(r *Result) []string {
	if r.Report == nil || r.Report.Choice.Stage == 0 {
		return nil
	}
	bundle := r.Report.Choice.Bundle
	switch {
	case r.Stage == nil:
		return []string{fmt.Sprintf("%s is not mounted", overlays.CurrentStage)}
	case r.Stage.Root != bundle:
		return []string{fmt.Sprintf("%s is a bind mount of %s, want %s", overlays.CurrentStage, r.Stage.Root, bundle)}
	case !slices.Contains(strings.Split(r.Stage.Options, ","), "ro"):
		return []string{fmt.Sprintf("%s is writable", overlays.CurrentStage)}
	}
	return nil
}

func judgeOverlays(r *Result) []string {
	var list []string
	for _, dir := range []string{"usr", "etc"} {
		i := slices.IndexFunc(r.Overlays, func(o report.Overlay) bool { return o.Target == "/"+dir })
		if i < 0 {
			list = append(list, fmt.Sprintf("/%s is not an overlay", dir))
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

// wantedOverlay returns the correct overlay on a directory. The paths are repeated here on purpose: the judge must not
// share a mistake with pkinit.
func wantedOverlay(r *Result, dir string) report.Overlay {
	o := report.Overlay{
		Source:    "pkinit:/" + dir,
		Lowerdirs: []string{"/sysroot/" + dir},
		Upperdir:  "/var/lib/overlays/overrides/" + dir,
		Workdir:   "/var/lib/overlays/workdirs/" + dir,
	}
	if slices.Contains(r.Layers, dir) {
		o.Lowerdirs = append([]string{overlays.CurrentStage + "/exports/overlays/" + dir}, o.Lowerdirs...)
	}
	return o
}

func judgeSystem(r *Result) []string {
	var list []string
	for _, u := range r.Failed {
		list = append(list, fmt.Sprintf("unit %s failed", u))
	}
	switch {
	case r.System == "running", r.System == "degraded" && len(r.Failed) > 0:
	case r.System == "":
		list = append(list, "the system did not start in time; jobs: "+strings.Join(r.Jobs, "; "))
	default:
		list = append(list, fmt.Sprintf("system state is %s, want running", r.System))
	}
	if r.Reloads > 0 && r.Machine != scenario.ContainerMachine { // there the steps of the boot are units, and the last one reloads
		list = append(list, fmt.Sprintf("systemd was reloaded %d times during the boot", r.Reloads))
	}
	return list
}

func judgeUnits(units []Unit) []string {
	var list []string
	for _, u := range units {
		add := func(format string, args ...any) {
			list = append(list, fmt.Sprintf("stage's service %s ", u.ID)+fmt.Sprintf(format, args...))
		}
		if u.Load != "loaded" {
			add("is %s, want loaded", u.Load)
			continue
		}
		if !u.Same {
			add("is hidden: %s is not the stage's file", u.StagePath)
		}
		if u.Path != u.StagePath {
			add("is loaded from %s, want %s", u.Path, u.StagePath)
		}
		if u.enabled() && u.Type != "oneshot" && u.Active != "active" && !u.ConditionFailed {
			add("is enabled but %s (%s, %s)", u.Active, u.Sub, u.Result)
		}
		if u.NeedReload {
			add("has changed since systemd loaded it")
		}
	}
	return list
}

func (u Unit) enabled() bool { return u.FileState == "enabled" || u.FileState == "enabled-runtime" }

func judgeSysroot(write Attempt) []string {
	switch {
	case write.Code == 0:
		return []string{"/sysroot is writable"}
	case !strings.Contains(write.Text, "Read-only file system"):
		return []string{"write to /sysroot: want \"Read-only file system\": " + write.Text}
	}
	return nil
}

func judgeSSH(r *Result) []string {
	if r.SSH == "" {
		return []string{"SSH server does not answer: " + r.NoSSH}
	}
	return nil
}

func judgeChecks(checks []Attempt) []string {
	var list []string
	for _, c := range checks {
		if c.Code != 0 {
			list = append(list, fmt.Sprintf("check %s: exit code %d: %s", c.Name, c.Code, c.Text))
		}
	}
	return list
}
