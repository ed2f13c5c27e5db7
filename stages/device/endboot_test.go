package device

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

func TestEndBoot(t *testing.T) {
	writable := []report.Overlay{{Target: "/etc", Mode: report.Writable}}
	for what, c := range map[string]struct {
		choice   report.Choice
		overlays []report.Overlay
		record   stages.Record
		reboot   bool
		result   stages.Result
	}{
		"an attempt":                {report.Choice{Stage: 2, Attempt: 1}, writable, stages.Record{Attempts: 1, Result: stages.Pending}, true, stages.Failed},
		"an attempt found good":     {report.Choice{Stage: 2, Attempt: 1}, writable, stages.Record{Result: stages.Good}, false, stages.Good},
		"an attempt found bad":      {report.Choice{Stage: 2, Attempt: 1}, writable, stages.Record{Result: stages.Failed}, false, stages.Failed},
		"proven, without a verdict": {report.Choice{Stage: 2}, writable, stages.Record{Attempts: 1, Result: stages.Good}, true, stages.Good},
		"proven, with a verdict":    {report.Choice{Stage: 2}, writable, stages.Record{Result: stages.Good}, false, stages.Good},
		"proven, not writable": {report.Choice{Stage: 2}, []report.Overlay{{Mode: report.Volatile}},
			stages.Record{Attempts: 1, Result: stages.Good}, false, stages.Good},
		"requested, not applied": {report.Choice{Stage: 2, Attempt: 1, Requested: true}, writable, stages.Record{Attempts: 1, Result: stages.Pending}, true, stages.Pending},
		"no stage":               {report.Choice{}, writable, stages.Record{}, true, ""},
	} {
		t.Run(what, func(t *testing.T) {
			d := Device{Store: t.TempDir(), Boot: filepath.Join(t.TempDir(), "boot.json")}
			boot, err := json.Marshal(report.Boot{Version: report.Version, Choice: c.choice, Overlays: c.overlays})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(d.Boot, boot, 0o644))
			store, err := stages.Store{ForkliftVersion: "v0.7.0", Staged: stages.Staged{Next: 2, History: []int{1}}}.Marshal()
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(d.Store, stages.StoreFile), store, 0o644))
			state, err := stages.BootState{Version: 1, Stages: map[int]stages.Record{2: c.record}}.Marshal()
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(d.Store, stages.StateFile), state, 0o644))

			reboot, err := d.EndBoot(t.Context(), "no verdict in time", time.Unix(0, 0))
			require.NoError(t, err)
			require.Equal(t, c.reboot, reboot)
			after, err := stages.Load(os.DirFS(d.Store))
			require.NoError(t, err)
			require.Equal(t, c.result, after.State.Stages[2].Result)
			require.Equal(t, what == "an attempt", after.Staged.NextFailed)
		})
	}
}

// A store that cannot be opened, as on a file system that became read-only, keeps no device in a boot without a verdict.
func TestEndBootOfADamagedStore(t *testing.T) {
	d := Device{Store: t.TempDir(), Boot: filepath.Join(t.TempDir(), "boot.json")}
	boot, err := json.Marshal(report.Boot{Version: report.Version, Choice: report.Choice{Stage: 2, Attempt: 1}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(d.Boot, boot, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(d.Store, stages.StoreFile), []byte("{"), 0o644))
	reboot, err := d.EndBoot(t.Context(), "no verdict in time", time.Unix(0, 0))
	require.Error(t, err)
	require.True(t, reboot)
}
