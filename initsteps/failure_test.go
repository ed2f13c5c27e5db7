package initsteps_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// Every single call to the system fails in turn, by an error and by a panic, before systemd and under it. What was
// mounted is unmounted again, the last first, and the report says what happened.
func TestEveryCallFailing(t *testing.T) {
	for mode, run := range map[string]func(*recorder) (*report.Boot, error){
		"in the initramfs": inInitramfs,
		"under systemd":    underSystemd,
	} {
		good := device()
		_, err := run(good)
		require.NoError(t, err)
		for _, panics := range []bool{false, true} {
			for n, call := range good.calls {
				if slices.ContainsFunc(exempt, func(e string) bool { return strings.Contains(call, e) }) {
					continue
				}
				t.Run(fmt.Sprintf("%s/panic %v/%d %s", mode, panics, n+1, call), func(t *testing.T) {
					r := device()
					r.panics, r.fail = panics, func(i int, _ string) bool { return i == n+1 }
					b, err := run(r)
					require.Equal(t, call, r.calls[n], "the call that failed is the one that was meant")
					requireConsistent(t, r, b, err)
				})
			}
		}
	}
}

// exempt are calls whose failure is no concern of the boot.
var exempt = []string{
	"/run/pkinit",                       // TestReportCannotBeKept
	"open /var/lib/forklift/stages/1",   // not the stage that is chosen
	"stat /var/lib/overlays/overrides/", // the usual overlay is mounted without knowing them
}

// requireConsistent: what the report says is what is mounted, and the failure is said.
func requireConsistent(t *testing.T, r *recorder, b *report.Boot, err error) {
	t.Helper()
	require.True(t, b.Degraded)
	require.Contains(t, strings.Join(b.Problems, "\n"), "injected")

	want := []string{}
	for _, s := range b.Steps {
		if target := targets[s.Name]; target != "" && s.State == report.Done {
			want = append(want, target)
		}
		if s.State == report.Failed {
			require.Contains(t, s.Error, "injected")
			require.ErrorContains(t, err, s.Name+": ")
			require.Contains(t, b.Problems, s.Error)
		}
	}
	require.ElementsMatch(t, want, r.mounted())
	requireReverse(t, r)

	stage := states(b)["bindro-run-forklift-stages-current"] == report.Done
	require.Equal(t, stage, b.Choice.Stage != 0, "the stage of the boot is the one that is mounted")
	require.Equal(t, stage, b.Choice.Bundle != "")
	require.NotEmpty(t, b.Choice.Reason)
}

// requireReverse checks that what was unmounted was the last mount of the transaction at that moment.
func requireReverse(t *testing.T, r *recorder) {
	t.Helper()
	var stack []string
	for i, c := range r.calls {
		if r.failed[i] {
			continue
		}
		f := strings.Fields(c)
		switch f[0] {
		case "bind":
			stack = append(stack, f[3])
		case "overlay":
			stack = append(stack, f[1])
		case "unmount":
			at := slices.Index(stack, f[1])
			require.GreaterOrEqual(t, at, 0, "%s was never mounted", f[1])
			for _, later := range stack[at+1:] {
				require.NotContains(t, transaction, later, "%s was mounted after %s and is still there", later, f[1])
			}
			stack = slices.Delete(stack, at, at+1)
		}
	}
}

// transaction are the targets of one transaction: each choice of a stage mounts all of them or none.
var transaction = []string{"/sysroot", "/run/forklift/stages/current", "/usr", "/etc"}

func TestFailureOfTheHomeLeavesTheOverlays(t *testing.T) {
	r := device()
	r.fail = func(_ int, call string) bool { return strings.HasPrefix(call, "bind rw") }
	b, err := inInitramfs(r)
	require.EqualError(t, err, "bind-.local-share-forklift-stages@home-pi: bind rw,idmapped /var/lib/forklift/stages "+
		"/home/pi/.local/share/forklift/stages as 1000:1000 within /home/pi: injected")
	require.Equal(t, transaction, r.mounted())
	require.Equal(t, 2, b.Choice.Stage)
	require.Len(t, b.Overlays, 2)
	require.Equal(t, []string{err.Error()}, b.Problems)
}

func TestFailureOfTheLastOverlayUndoesAll(t *testing.T) {
	r := device()
	r.fail = func(_ int, call string) bool { return call == "overlay /etc" }
	b, err := inInitramfs(r)
	require.EqualError(t, err, "overlay-etc: overlay /etc: injected")
	require.Equal(t, []string{"/home/pi/.local/share/forklift/stages"}, r.mounted())
	withStage := []string{"unmount /usr", "unmount /run/forklift/stages/current", "unmount /sysroot"}
	require.Equal(t, slices.Concat(withStage, withStage, []string{"unmount /usr", "unmount /sysroot"}), unmounts(r),
		"stage 2, stage 1, no stage")
	require.Equal(t, map[string]report.State{
		"grow-partition":                     report.Skipped,
		"grow-file-system":                   report.Skipped,
		"reset":                              report.Skipped,
		"revert-overrides":                   report.Skipped,
		"select-stage":                       report.Undone,
		"overlay-sysroot":                    report.Undone,
		"bindro-run-forklift-stages-current": report.Skipped,
		"mark-unusable":                      report.Skipped,
		"set-aside-overrides":                report.Skipped,
		"overlay-usr":                        report.Undone,
		"overlay-etc":                        report.Failed,
		"bind-.local-share-forklift-stages@home-pi": report.Done,
		"verify":               report.Done,
		"make-reserve":         report.Done,
		"read-request":         report.Skipped,
		"make-identity":        report.Skipped,
		"answer-request":       report.Done,
		"start-overlaid-units": report.Skipped,
	}, states(b))
	require.Empty(t, b.Overlays)
}

// What was skipped is not undone.
func TestFailureWithoutStage(t *testing.T) {
	r := device(noStore())
	r.fail = func(_ int, call string) bool { return call == "overlay /etc" }
	b, err := inInitramfs(r)
	require.EqualError(t, err, "overlay-etc: overlay /etc: injected")
	require.Equal(t, []string{"unmount /usr", "unmount /sysroot"}, unmounts(r))
	require.Equal(t, report.Skipped, states(b)["bindro-run-forklift-stages-current"])
}

// Two calls fail: what cannot be undone is said, and keeps nothing else from being undone.
func TestFailureOfUndo(t *testing.T) {
	r := device()
	r.fail = func(_ int, call string) bool { return call == "overlay /etc" || call == "unmount /usr" }
	b, err := inInitramfs(r)
	require.EqualError(t, err, "overlay-etc: overlay /etc: injected\nundo boot step overlay-usr: unmount /usr: injected")
	require.Equal(t, []string{"/usr", "/home/pi/.local/share/forklift/stages"}, r.mounted())
	require.Equal(t, []string{"overlay-etc: overlay /etc: injected", "undo boot step overlay-usr: unmount /usr: injected"}, b.Problems)
	require.Equal(t, report.Failed, states(b)["overlay-usr"])
	require.Equal(t, report.Undone, states(b)["overlay-sysroot"])
	require.Len(t, b.Overlays, 1, "the report has the overlay that is still there")
}

func unmounts(r *recorder) []string {
	var list []string
	for _, c := range r.calls {
		if strings.HasPrefix(c, "unmount") {
			list = append(list, c)
		}
	}
	return list
}

// An attempt that could not be counted could be repeated for ever: the proven stage is taken.
func TestAttemptCannotBeRecorded(t *testing.T) {
	r := device()
	r.fail = func(_ int, call string) bool { return strings.HasPrefix(call, "write /var/lib/forklift") }
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, report.Choice{
		Stage: 1, Bundle: "/var/lib/forklift/stages/1", Reason: "stage 1 is the last proven one",
		Overrides: report.AllOverrides,
	}, b.Choice)
	require.Equal(t, []string{"stage 2 is next but the attempt at it could not be recorded: " +
		"write /var/lib/forklift/stages/boot-state.json -rw-r--r--: injected"}, b.Problems)
	require.Equal(t, append(slices.Clone(transaction), "/home/pi/.local/share/forklift/stages"), r.mounted())
}

// The report is for others; that it cannot be kept undoes nothing.
func TestReportCannotBeKept(t *testing.T) {
	for _, call := range []string{"mkdir /run/pkinit -rwxr-xr-x 0:0", "write /run/pkinit/boot.json -rw-r--r--"} {
		r := device()
		r.fail = func(_ int, c string) bool { return c == call }
		b := newBoot(r)
		require.NoError(t, b.All())
		require.EqualError(t, b.Save(), call+": injected")
		require.Len(t, r.mounts, len(targets))
		require.EqualError(t, one(r, "overlay-usr"), call+": injected")
		require.Len(t, r.mounts, len(targets))
	}
	r := device()
	r.fail = func(_ int, c string) bool { return c == "read /run/pkinit/boot.json" }
	_, err := initsteps.LoadReport(r, "test")
	require.EqualError(t, err, "read /run/pkinit/boot.json: injected")
}
