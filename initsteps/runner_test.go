package initsteps_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// newBoot is a boot that has not done anything.
func newBoot(s initsteps.System) *initsteps.Boot {
	return &initsteps.Boot{System: s, Report: initsteps.NewReport("test"), Print: func(string) {}}
}

// inInitramfs runs all steps as pkinit does before systemd.
func inInitramfs(r *recorder) (*report.Boot, error) {
	b := newBoot(r)
	b.Report.Initramfs = true
	return b.Report, b.All()
}

// underSystemd runs each step as a process of its own, as the systemd services do.
func underSystemd(r *recorder) (*report.Boot, error) {
	var errs []string
	for _, name := range names() {
		if err := one(r, name); err != nil {
			errs = append(errs, err.Error())
		}
	}
	b := initsteps.NewReport("")
	if f := r.files["run/pkinit/boot.json"]; f != nil {
		if err := json.Unmarshal(f.Data, b); err != nil {
			return b, err
		}
	}
	if errs == nil {
		return b, nil
	}
	return b, fmt.Errorf("%s", strings.Join(errs, "\n"))
}

func one(r *recorder, name string) error {
	loaded, err := initsteps.LoadReport(r, "test")
	if err != nil {
		return err
	}
	b := initsteps.Boot{System: r, Report: loaded, Print: func(string) {}}
	return b.One(name)
}

// names are those of the steps that systemd runs.
func names() []string {
	var list []string
	for _, t := range initsteps.Transactions() {
		for _, s := range t {
			list = append(list, s.String())
		}
	}
	return list
}

// states are those of the steps in a report, by name.
func states(b *report.Boot) map[string]report.State {
	m := map[string]report.State{}
	for _, s := range b.Steps {
		m[s.Name] = s.State
	}
	return m
}

// stepOf returns the entry of a step in a report; the zero value if it has not run.
func stepOf(b *report.Boot, name string) report.Step {
	for _, s := range b.Steps {
		if s.Name == name {
			return s
		}
	}
	return report.Step{}
}

// targets are the places on which the steps mount, by the step's name.
var targets = map[string]string{
	"overlay-sysroot":                           "/sysroot",
	"bindro-run-forklift-stages-current":        "/run/forklift/stages/current",
	"overlay-usr":                               "/usr",
	"overlay-etc":                               "/etc",
	"bind-.local-share-forklift-stages@home-pi": "/home/pi/.local/share/forklift/stages",
}

func TestAll(t *testing.T) {
	r := device()
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, []string{
		"read /proc/cmdline",
		"read /proc/cmdline",
		"read /proc/cmdline",
		"mountinfo",
		"read /proc/cmdline",
		"mountinfo",
		"read /var/lib/overlays/next-boot.json",
		"read /proc/cmdline",
		"read /var/lib/overlays/reset.json",
		"read /var/lib/overlays/revert.json",
		"open /var/lib/forklift/stages/forklift-stage-store.yml",
		"open /var/lib/forklift/stages/boot-state.json",
		"open /var/lib/forklift/stages/2",
		"open /var/lib/forklift/stages/2/forklift-bundle.yml",
		"open /var/lib/forklift/stages/2/exports",
		"open /var/lib/forklift/stages/2/exports/overlays",
		"open /var/lib/forklift/stages/2/exports/overlays/etc",
		"open /var/lib/forklift/stages/2/exports/overlays/usr",
		"open /var/lib/forklift/stages/1",
		"open /var/lib/forklift/stages/1/forklift-bundle.yml",
		"open /var/lib/forklift/stages/1/exports",
		"open /var/lib/forklift/stages/1/exports/overlays",
		"open /var/lib/forklift/stages/1/exports/overlays/etc",
		"open /var/lib/forklift/stages/1/exports/overlays/usr",
		"write /var/lib/forklift/stages/boot-state.json -rw-r--r--",
		"mountinfo",
		"mkdir /sysroot -rwxr-xr-x 0:0",
		"bind ro / /sysroot",
		"mountinfo",
		"mkdir /run/forklift/stages/current -rwxr-xr-x 0:0",
		"bind ro /var/lib/forklift/stages/2 /run/forklift/stages/current",
		"mountinfo",
		"stat /run/forklift/stages/current/exports/overlays/usr",
		"stat /var/lib/overlays/overrides/usr",
		"foreign /var/lib/overlays/overrides/usr",
		"stat /sysroot/usr",
		"mkdir /var/lib/overlays/overrides/usr dr-xr-xr-x 0:0",
		"mkdir /var/lib/overlays/workdirs/usr dr-xr-xr-x 0:0",
		"overlay /usr",
		"mountinfo",
		"stat /run/forklift/stages/current/exports/overlays/etc",
		"stat /var/lib/overlays/overrides/etc",
		"foreign /var/lib/overlays/overrides/etc",
		"stat /sysroot/etc",
		"mkdir /var/lib/overlays/overrides/etc dr-xr-xr-x 0:0",
		"mkdir /var/lib/overlays/workdirs/etc dr-xr-xr-x 0:0",
		"overlay /etc",
		"mountinfo",
		"stat /home/pi",
		"read /etc/passwd",
		"read /etc/group",
		"stat /var/lib/forklift/stages",
		"bind rw,idmapped /var/lib/forklift/stages /home/pi/.local/share/forklift/stages as 1000:1000 within /home/pi",
		"mountinfo",
		"stat /run/forklift/stages/current/exports/overlays/usr",
		"stat /var/lib/overlays/overrides/usr",
		"stat /run/forklift/stages/current/exports/overlays/etc",
		"stat /var/lib/overlays/overrides/etc",
		"stat /var/lib/overlays/reserve/blocks",
		"mkdir /var/lib/overlays/reserve/1 -rwxr-xr-x 0:0",
		"mkdir /var/lib/overlays/reserve/2 -rwxr-xr-x 0:0",
		"mkdir /var/lib/overlays/reserve/3 -rwxr-xr-x 0:0",
		"mkdir /var/lib/overlays/reserve/4 -rwxr-xr-x 0:0",
		"mkdir /var/lib/overlays/reserve/5 -rwxr-xr-x 0:0",
		"mkdir /var/lib/overlays/reserve/6 -rwxr-xr-x 0:0",
		"mkdir /var/lib/overlays/reserve/7 -rwxr-xr-x 0:0",
		"mkdir /var/lib/overlays/reserve/8 -rwxr-xr-x 0:0",
		"write /var/lib/overlays/reserve/blocks -rw-------",
		"write /var/lib/overlays/last-boot.json -rw-r--r--",
	}, r.calls)

	require.Equal(t, report.Choice{
		Stage: 2, Bundle: "/var/lib/forklift/stages/2", Reason: "stage 2 is next, attempt 1 of 3", Attempt: 1,
		Overrides: report.AllOverrides,
	}, b.Choice)
	require.False(t, b.Degraded)
	require.Empty(t, b.Problems)
	require.Equal(t, []report.Overlay{
		{Target: "/usr", Source: "pkinit:/usr",
			Lowerdirs: []string{"/run/forklift/stages/current/exports/overlays/usr", "/sysroot/usr"},
			Upperdir:  "/var/lib/overlays/overrides/usr", Workdir: "/var/lib/overlays/workdirs/usr", Mode: report.Writable},
		{Target: "/etc", Source: "pkinit:/etc",
			Lowerdirs: []string{"/run/forklift/stages/current/exports/overlays/etc", "/sysroot/etc"},
			Upperdir:  "/var/lib/overlays/overrides/etc", Workdir: "/var/lib/overlays/workdirs/etc", Mode: report.Writable},
	}, b.Overlays)
	want := map[string]report.State{
		"grow-partition": report.Skipped, "grow-file-system": report.Skipped, "reset": report.Skipped, "revert-overrides": report.Skipped, "start-overlaid-units": report.Skipped,
		"mark-unusable": report.Skipped, "set-aside-overrides": report.Skipped,
		"select-stage": report.Done, "verify": report.Done, "make-reserve": report.Done, "read-request": report.Skipped, "make-identity": report.Skipped, "answer-request": report.Done,
	}
	for name := range targets {
		want[name] = report.Done
	}
	require.Equal(t, want, states(b))
	require.JSONEq(t, `{"version":1,"stages":{"2":{"attempts":1,"last":"2026-01-02T03:04:05Z","result":"pending"}}}`,
		string(r.files["var/lib/forklift/stages/boot-state.json"].Data))
}

// withoutTimes returns steps without the times that they took.
func withoutTimes(steps []report.Step) []report.Step {
	steps = slices.Clone(steps)
	for i := range steps {
		steps[i].Seconds = 0
	}
	return steps
}

// A second run finds everything done: it mounts nothing, counts no attempt and keeps what the report says.
func TestTwiceIsOnce(t *testing.T) {
	for what, run := range map[string]func(*recorder) (*report.Boot, error){
		"all": func(r *recorder) (*report.Boot, error) {
			b := newBoot(r)
			require.NoError(t, b.All())
			first := slices.Clone(b.Report.Steps)
			r.calls = nil
			require.NoError(t, b.All())
			require.Equal(t, withoutTimes(first), withoutTimes(b.Report.Steps))
			return b.Report, nil
		},
		"one by one": func(r *recorder) (*report.Boot, error) {
			_, err := underSystemd(r)
			require.NoError(t, err)
			r.calls = nil
			return underSystemd(r)
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := device()
			b, err := run(r)
			require.NoError(t, err)
			require.False(t, b.Degraded)
			require.Equal(t, 1, b.Choice.Attempt)
			require.Len(t, r.mounts, len(targets))
			for _, c := range r.calls {
				require.NotRegexp(t, "^(bind|overlay|unmount|write .*boot-state)", c)
			}
		})
	}
}

// A report that was lost is written anew by steps that find their work done.
func TestDoneBefore(t *testing.T) {
	r := device()
	_, err := inInitramfs(r)
	require.NoError(t, err)
	require.NoError(t, one(r, "overlay-etc"))
	b, err := initsteps.LoadReport(r, "test")
	require.NoError(t, err)
	etc := b.Steps[len(b.Steps)-1]
	require.Equal(t, report.Step{Name: "overlay-etc", State: report.Done, Note: "already done", Seconds: etc.Seconds}, etc)
	require.Len(t, r.mounts, len(targets))
}

// A step brings those that it builds on.
func TestOneAlone(t *testing.T) {
	r := device()
	require.NoError(t, one(r, "overlay-usr"))
	require.Equal(t, []string{"/sysroot", "/run/forklift/stages/current", "/usr"}, r.mounted())
}

func TestUnderSystemd(t *testing.T) {
	r := device()
	b, err := underSystemd(r)
	require.NoError(t, err)
	require.False(t, b.Initramfs)
	require.Equal(t, 2, b.Choice.Stage)
	require.Contains(t, r.calls, "run systemctl daemon-reload")
	require.Contains(t, r.calls, "run systemctl restart --no-block sockets.target timers.target multi-user.target default.target")
	require.Len(t, r.mounts, len(targets))
}

// After an initramfs boot the services find everything done, and nothing is reloaded.
func TestUnderSystemdAfterInitramfs(t *testing.T) {
	r := device()
	b := newBoot(r)
	b.Report.Initramfs = true
	require.NoError(t, b.All())
	require.NoError(t, b.Save())
	r.calls = nil
	after, err := underSystemd(r)
	require.NoError(t, err)
	require.Equal(t, states(b.Report), states(after))
	for _, c := range r.calls {
		require.NotRegexp(t, "^(bind|overlay|unmount|run|mkdir /[^r])", c)
	}
}

func TestOneUnknown(t *testing.T) {
	require.EqualError(t, newBoot(device()).One("overlay-var"), "boot step overlay-var does not exist; the steps are "+
		"grow-partition, grow-file-system, make-identity, read-request, reset, revert-overrides, select-stage, set-aside-overrides, overlay-sysroot, bindro-run-forklift-stages-current, "+
		"overlay-usr, overlay-etc, bind-.local-share-forklift-stages@home-pi, mark-unusable, verify, make-reserve, answer-request, start-overlaid-units")
}

func TestOneWithABrokenReport(t *testing.T) {
	r := device(map[string]string{"run/pkinit/boot.json": "{"})
	require.EqualError(t, one(r, "overlay-usr"), "parse /run/pkinit/boot.json: unexpected end of JSON input")
	r = device(map[string]string{"run/pkinit/boot.json": `{"version": 2}`})
	require.EqualError(t, one(r, "overlay-usr"), "parse /run/pkinit/boot.json: version is 2, want 1")
}

// A service whose transaction has failed does nothing.
func TestOneAfterAFailure(t *testing.T) {
	r := device()
	r.fail = func(_ int, call string) bool { return call == "overlay /usr" }
	require.ErrorContains(t, one(r, "overlay-usr"), "overlay-usr: overlay /usr: injected")
	require.NoError(t, one(r, "overlay-etc"))
	require.Empty(t, r.mounted())
	b, err := initsteps.LoadReport(r, "test")
	require.NoError(t, err)
	require.Equal(t, "select-stage is undone", stepOf(b, "overlay-etc").Note)
	require.Equal(t, map[string]report.State{
		"select-stage": report.Undone, "overlay-sysroot": report.Undone, "bindro-run-forklift-stages-current": report.Skipped,
		"overlay-usr": report.Failed, "overlay-etc": report.Skipped, "set-aside-overrides": report.Skipped,
	}, states(b))
	require.Equal(t, report.Choice{Reason: "no stage: the overlays could not be mounted"}, b.Choice)
}
