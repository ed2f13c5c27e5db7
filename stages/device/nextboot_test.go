package device_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// early is the system of pkinit before anything is mounted, with the directories of a device below another one.
type early struct {
	initsteps.System // whatever else is called is a fault of the test
	d                device.Device
}

func (e early) at(name string) string {
	for from, to := range map[string]string{stages.Dir: e.d.Store, overlays.StateDir: e.d.State} {
		if rest, ok := strings.CutPrefix(name, from); ok {
			return to + rest
		}
	}
	return filepath.Join(filepath.Dir(e.d.Store), "run", name)
}

func (e early) ReadFile(name string) ([]byte, error) {
	if name == "/proc/cmdline" {
		return nil, nil
	}
	return os.ReadFile(e.at(name))
}
func (e early) DirFS(dir string) fs.FS                    { return os.DirFS(e.at(dir)) }
func (e early) MountInfo() ([]*mountinfo.Info, error)     { return nil, nil }
func (e early) Mkdir(name string, _ initsteps.Info) error { return os.MkdirAll(e.at(name), 0o755) }
func (e early) RemoveAll(dir, name string) error          { return os.RemoveAll(filepath.Join(e.at(dir), name)) }
func (e early) Now() time.Time                            { return time.Unix(1767225600, 0) }
func (e early) SinceBoot() time.Duration                  { return 0 }
func (e early) WriteFile(name string, data []byte, mode fs.FileMode) error {
	return os.WriteFile(e.at(name), data, mode)
}

// boot lets pkinit do what it does before it mounts anything.
func boot(t *testing.T, d device.Device) *report.Boot {
	b := initsteps.Boot{System: early{d: d}, Report: initsteps.NewReport("test"), Print: func(string) {}}
	for _, step := range []string{"read-request", "reset", "revert-overrides", "select-stage"} {
		_ = b.One(step) // its error is in the report
	}
	return b.Report
}

// stores are contents of the store file; "" stands for no file.
var stores = []string{
	"",
	"staged: {next: [",
	"staged: {}",
	"staged: {next: 1}",
	"staged: {next: 3, history: [1, 2]}",
	"staged: {next: 3, next-failed: true, history: [1, 2]}",
	"staged: {next: 2, history: [1, 2]}",
	"staged: {next: 4, history: [1, 2]}",  // incomplete
	"staged: {next: 8, history: [2]}",     // a symlink
	"staged: {next: 99, history: [4, 9]}", // missing, incomplete, a file
	"staged: {history: [1, 4]}",
}

// bootStates are contents of the state file; "" stands for no file.
var bootStates = []string{
	"",
	"{",
	`{"version": 1, "stages": {"1": {"attempts": 3}, "3": {"attempts": 3}}}`,
	`{"version": 1, "stages": {"2": {"unusable": "mount failed"}, "3": {"attempts": 1, "unusable": "mount failed"}}}`,
	`{"version": 1, "stages": {"1": {"attempts": 9, "result": "good"}, "2": {"attempts": 4, "result": "good"}}}`,
	`{"version": 1, "stages": {"2": {"attempts": 7, "result": "good"}}}`,
}

// resets are contents of the queued reset; "" stands for none.
var resets = []string{
	"",
	"{",
	`{"version": 2, "stage": 1}`,
	`{"version": 1, "stage": 2}`,
	`{"version": 1, "stage": 3, "overrides": true, "containers": true}`,
	`{"version": 1, "stage": 4}`,
	`{"version": 1, "stage": 8}`,
	`{"version": 1, "containers": true}`,
}

// What status says of the next boot is what pkinit then does, in every state of the store and of the queues.
func TestNextBootIsWhatPkinitDoes(t *testing.T) {
	d := layout(t)
	for _, store := range stores {
		for _, state := range bootStates {
			for _, reset := range resets {
				for _, queue := range []string{"", "{", `{"version": 1, "paths": ["/etc/motd"]}`} {
					fill(t, d, store, state, reset, queue)
					what := fmt.Sprintf("store %q, state %q, reset %q, queue %q", store, state, reset, queue)
					requireTruth(t, what, d)
				}
			}
		}
	}
	t.Run("no store", func(t *testing.T) {
		d, _ := newDevice(t)
		require.NoError(t, os.RemoveAll(d.Store))
		requireTruth(t, "no store", d)
	})
	t.Run("no state directory", func(t *testing.T) {
		d, _ := newDevice(t)
		require.NoError(t, os.RemoveAll(d.State))
		requireTruth(t, "no state directory", d)
	})
}

func requireTruth(t *testing.T, what string, d device.Device) {
	t.Helper()
	said := d.NextBoot()
	did := boot(t, d)
	require.Equal(t, did.Choice.Stage, said.Stage, what)
	require.Equal(t, did.Choice.Reason, strings.TrimPrefix(said.Reason, "reset; "), what)
	require.Equal(t, len(did.Problems) > 0, len(said.Problems) > 0, "%s: pkinit reports %q, status %q", what, did.Problems, said.Problems)
	if said.Reset {
		require.Equal(t, said.Stage, did.Choice.Stage, what)
	}
}

// layout returns a device whose stage 4 is incomplete, 8 is a symlink and 9 is a file.
func layout(t *testing.T) device.Device {
	d, _ := newDevice(t)
	require.NoError(t, os.Remove(filepath.Join(d.Store, "4/forklift-bundle.yml")))
	require.NoError(t, os.Symlink("2", filepath.Join(d.Store, "8")))
	require.NoError(t, os.WriteFile(filepath.Join(d.Store, "9"), nil, 0o644))
	return d
}

// fill replaces the files that pkinit reads and changes.
func fill(t *testing.T, d device.Device, store, state, reset, queue string) {
	for name, text := range map[string]string{
		filepath.Join(d.Store, stages.StoreFile): store, filepath.Join(d.Store, stages.StateFile): state,
		filepath.Join(d.State, override.ResetFile): reset, filepath.Join(d.State, override.QueueFile): queue,
	} {
		require.NoError(t, os.RemoveAll(name))
		if text != "" {
			require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		}
	}
}

// A request of pkctl boot is said before the boot, holds once, and can be canceled.
func TestRequestNext(t *testing.T) {
	d := layout(t)
	for _, r := range []report.Request{{Stage: "1"}, {Stage: "factory"}, {Stage: "none"}, {Overrides: "off"}, {Stage: "2", Overrides: "off"}} {
		fill(t, d, "staged: {next: 2, history: [1, 2], names: {factory-reset: 1}}", "", "", "")
		require.NoError(t, d.RequestNext(t.Context(), r))
		requireTruth(t, fmt.Sprint(r), d)
		require.Equal(t, 2, boot(t, d).Choice.Stage, "once")
	}
	require.EqualError(t, d.RequestNext(t.Context(), report.Request{Stage: "4"}),
		"stage 4 cannot be used: bundle is incomplete: no forklift-bundle.yml")
	require.EqualError(t, d.RequestNext(t.Context(), report.Request{Reset: "all"}), "reset is not for pkctl boot: use pkctl reset")
	require.NoError(t, d.RequestNext(t.Context(), report.Request{Stage: "1"}))
	for _, want := range []bool{true, false} {
		canceled, err := d.CancelRequest(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, canceled)
	}
	require.Equal(t, 2, d.NextBoot().Stage)
}
