package qemu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/firmware"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// goodResult is the result of a boot without defects.
func goodResult() *Result {
	overlay := func(dir string) report.Overlay {
		return report.Overlay{
			Target: "/" + dir, Source: "pkinit:/" + dir,
			Lowerdirs: []string{"/run/forklift/stages/current/exports/overlays/" + dir, "/sysroot/" + dir},
			Upperdir:  "/var/lib/overlays/overrides/" + dir, Workdir: "/var/lib/overlays/workdirs/" + dir,
		}
	}
	const path = "/usr/lib/systemd/system/a.service"
	return &Result{
		Boards: []firmware.Choice{{Board: "pi4"}},
		Report: &report.Boot{
			Version: report.Version,
			Choice:  report.Choice{Stage: 1, Bundle: "/var/lib/forklift/stages/1"},
			Steps:   []report.Step{{Name: "one", State: report.Done}, {Name: "two", State: report.Skipped, Note: "why not"}},
		},
		System:   "running",
		Layers:   []string{"etc", "usr"},
		Overlays: []report.Overlay{overlay("usr"), overlay("etc")},
		Stage:    &Bind{Root: "/var/lib/forklift/stages/1", Options: "ro,relatime"},
		Units: []Unit{{
			ID: "a.service", Type: "notify", Load: "loaded", Active: "active", Sub: "running", Result: "success",
			FileState: "enabled", Path: path, StagePath: path, Same: true,
		}},
		Sysroot: Attempt{Output: out(1, "touch: cannot touch '/sysroot/x': Read-only file system")},
		Checks:  []Attempt{{Name: "a"}},
		SSH:     "SSH-2.0-x",
	}
}

func TestJudge(t *testing.T) {
	tests := map[string]struct {
		damage func(r *Result)
		want   []string
	}{
		"no defects": {func(*Result) {}, nil},
		"firmware does not start": {
			func(r *Result) { r.Boards[0].Problem = "pi4: config.txt names no kernel" },
			[]string{"firmware of pi4: config.txt names no kernel"},
		},
		"firmware warns": {
			func(r *Result) { r.Boards[0].Warnings = []string{"a", "b"} },
			[]string{"firmware of pi4: a", "firmware of pi4: b"},
		},
		"no report": {
			func(r *Result) { r.Report, r.NoReport = nil, "cat: no such file" },
			[]string{"pkinit has written no report: cat: no such file"},
		},
		"report of another version": {
			func(r *Result) { r.Report.Version = 7 },
			[]string{"pkinit's report: version is 7, want 1"},
		},
		"no steps": {func(r *Result) { r.Report.Steps = nil }, []string{"pkinit's report has no steps"}},
		"failed step": {
			func(r *Result) {
				r.Report.Degraded = true
				r.Report.Steps[0] = report.Step{Name: "one", State: report.Failed, Error: "mount: no"}
				r.Report.Steps[1] = report.Step{Name: "two", State: report.Undone}
			},
			[]string{"pkinit's step one is failed: mount: no", "pkinit's step two is undone: "},
		},
		"problem": {
			func(r *Result) { r.Report.Degraded, r.Report.Problems = true, []string{"stage 2 is incomplete"} },
			[]string{"pkinit reports: stage 2 is incomplete"},
		},
		"degraded without a reason": {
			func(r *Result) { r.Report.Degraded = true },
			[]string{"pkinit reports a degraded boot without a reason"},
		},
		"stage not bound": {
			func(r *Result) { r.Stage = nil }, []string{"/run/forklift/stages/current is not mounted"},
		},
		"another stage bound": {
			func(r *Result) { r.Stage.Root = "/var/lib/forklift/stages/2" },
			[]string{"/run/forklift/stages/current is a bind mount of /var/lib/forklift/stages/2, want /var/lib/forklift/stages/1"},
		},
		"stage writable": {
			func(r *Result) { r.Stage.Options = "rw,errors=remount-ro" },
			[]string{"/run/forklift/stages/current is writable"},
		},
		"plain root": {
			func(r *Result) {
				r.Report.Choice, r.Stage, r.Layers, r.Units = report.Choice{}, nil, nil, nil
				for i := range r.Overlays {
					r.Overlays[i].Lowerdirs = r.Overlays[i].Lowerdirs[1:]
				}
			},
			nil,
		},
		"no overlays": {
			func(r *Result) { r.Overlays = nil },
			[]string{"/usr is not an overlay", "/etc is not an overlay"},
		},
		"foreign overlay": {
			func(r *Result) { r.Overlays[1].Source = "overlay" },
			[]string{"the overlay on /etc has source overlay, want pkinit:/etc"},
		},
		"overlay without the stage": {
			func(r *Result) { r.Overlays[0].Lowerdirs = []string{"/sysroot/usr"} },
			[]string{"the overlay on /usr has lowerdirs /sysroot/usr, " +
				"want /run/forklift/stages/current/exports/overlays/usr:/sysroot/usr"},
		},
		"overlay with a layer that the stage does not have": {
			func(r *Result) { r.Layers = []string{"usr"} },
			[]string{"the overlay on /etc has lowerdirs /run/forklift/stages/current/exports/overlays/etc:/sysroot/etc, " +
				"want /sysroot/etc"},
		},
		"overlay with other directories": {
			func(r *Result) { r.Overlays[0].Upperdir, r.Overlays[0].Workdir = "/tmp/u", "/tmp/w" },
			[]string{
				"the overlay on /usr has upperdir /tmp/u, want /var/lib/overlays/overrides/usr",
				"the overlay on /usr has workdir /tmp/w, want /var/lib/overlays/workdirs/usr",
			},
		},
		"failed units": {
			func(r *Result) { r.System, r.Failed = "degraded", []string{"a.mount", "b.service"} },
			[]string{"unit a.mount failed", "unit b.service failed"},
		},
		"degraded": {func(r *Result) { r.System = "degraded" }, []string{"system state is degraded, want running"}},
		"maintenance": {
			func(r *Result) { r.System = "maintenance" }, []string{"system state is maintenance, want running"},
		},
		"does not start in time": {
			func(r *Result) {
				r.System, r.Jobs = "", []string{"1 a.service start running", "2 b.target start waiting"}
			},
			[]string{"the system did not start in time; jobs: " +
				"1 a.service start running; 2 b.target start waiting"},
		},
		"reloads": {func(r *Result) { r.Reloads = 2 }, []string{"systemd was reloaded 2 times during the boot"}},
		"unit not found": {
			func(r *Result) { r.Units[0] = Unit{ID: "a.service", Load: "not-found"} },
			[]string{"stage's service a.service is not-found, want loaded"},
		},
		"unit hidden by an override": {
			func(r *Result) { r.Units[0].Same = false },
			[]string{"stage's service a.service is hidden: /usr/lib/systemd/system/a.service is not the stage's file"},
		},
		"unit from elsewhere": {
			func(r *Result) { r.Units[0].Path = "/etc/systemd/system/a.service" },
			[]string{"stage's service a.service is loaded from /etc/systemd/system/a.service, " +
				"want /usr/lib/systemd/system/a.service"},
		},
		"unit inactive": {
			func(r *Result) { r.Units[0].Active, r.Units[0].Sub = "inactive", "dead" },
			[]string{"stage's service a.service is enabled but inactive (dead, success)"},
		},
		"unit inactive, by its own condition": {
			func(r *Result) { r.Units[0].Active, r.Units[0].ConditionFailed = "inactive", true }, nil,
		},
		"unit inactive, since disabled": {
			func(r *Result) { r.Units[0].Active, r.Units[0].FileState = "inactive", "disabled" }, nil,
		},
		"oneshot that has run": {
			func(r *Result) { r.Units[0].Active, r.Units[0].Type = "inactive", "oneshot" }, nil,
		},
		"unit enabled for this boot": {
			func(r *Result) { r.Units[0].Active, r.Units[0].FileState = "failed", "enabled-runtime" },
			[]string{"stage's service a.service is enabled but failed (running, success)"},
		},
		"unit changed": {
			func(r *Result) { r.Units[0].NeedReload = true },
			[]string{"stage's service a.service has changed since systemd loaded it"},
		},
		"sysroot writable": {func(r *Result) { r.Sysroot = Attempt{} }, []string{"/sysroot is writable"}},
		"no sysroot": {
			func(r *Result) { r.Sysroot.Text = "No such file or directory" },
			[]string{"write to /sysroot: want \"Read-only file system\": No such file or directory"},
		},
		"no SSH": {
			func(r *Result) { r.SSH, r.NoSSH = "", "read greeting of the SSH server: EOF" }, []string{"SSH server does not answer: read greeting of the SSH server: EOF"},
		},
		"check": {
			func(r *Result) { r.Checks = append(r.Checks, Attempt{"b", out(3, "what")}) },
			[]string{"check b: exit code 3: what"},
		},
		"image of another builder": {
			func(r *Result) { *r = Result{Foreign: true, System: "running", Failed: []string{"a.service"}} },
			[]string{"unit a.service failed"},
		},
		"empty result": {
			func(r *Result) { *r = Result{NoReport: "none"} },
			[]string{
				"pkinit has written no report: none",
				"/usr is not an overlay",
				"/etc is not an overlay",
				"the system did not start in time; jobs: ",
				"/sysroot is writable",
				"SSH server does not answer: ",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := goodResult()
			tt.damage(r)
			require.Equal(t, tt.want, Judge(r))
		})
	}
}
