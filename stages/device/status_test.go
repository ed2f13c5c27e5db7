package device_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/device"
)

func TestStatus(t *testing.T) {
	d, _ := newDevice(t)
	require.NoError(t, d.Scan(t.Context()))
	put(t, root(d), map[string]string{"stage/motd": "stage 2, changed\n"})
	require.NoError(t, d.Scan(t.Context()))
	_, err := d.Revert(t.Context(), []string{"/etc/hosts"})
	require.NoError(t, err)
	_, err = d.Reset(t.Context(), "1", override.Reset{})
	require.NoError(t, err)
	_, err = d.Judge(t.Context(), "4", stages.Failed, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	require.NoError(t, err)
	r := apply.Report{Version: 1, Stage: 2, Result: stages.Failed, Reasons: []string{"app a: failed"}, Finished: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	require.NoError(t, r.Write(d.Applied))
	s := d.Status()
	three := 3
	require.Equal(t, &device.Status{
		Running:   device.RunningStage{Stage: 2, Reason: "stage 2 is next and proven", Origin: device.Origin{Pallet: "example.org/pallet", Version: "v1.0.0"}},
		Next:      d.NextBoot(),
		Failed:    []device.FailedStage{{Stage: 4, When: "2026-01-02T03:04:05Z", Reasons: []string{}}},
		Degraded:  true,
		Problems:  []string{"app a: failed"},
		Overrides: &three, Hiding: []string{"/etc/motd"}, Queued: []string{"/etc/hosts"},
		Verdict: &device.Verdict{Stage: 2, Result: stages.Failed, When: "2026-01-02T03:04:05Z", Reasons: []string{"app a: failed"}},
		Reset:   &override.Reset{Stage: 1},
	}, s)
	require.Equal(t, "reset; stage 1 is next, attempt 1 of 3", s.Next.Reason)
}

// A status is never refused: what cannot be read is a problem in it, and it has no null lists.
func TestStatusOfBrokenDevice(t *testing.T) {
	for what, c := range map[string]struct {
		damage   func(d device.Device) error
		problems func(d device.Device) []string
	}{
		"no boot report": {
			func(d device.Device) error { return os.Remove(d.Boot) },
			func(d device.Device) []string {
				return []string{"boot report " + d.Boot + ": file does not exist: pkinit did not start this boot"}
			},
		},
		"damaged boot report": {
			func(d device.Device) error { return os.WriteFile(d.Boot, []byte("{"), 0o644) },
			func(d device.Device) []string {
				return []string{"parse the boot report " + d.Boot + ": unexpected end of JSON input"}
			},
		},
		"damaged store": {
			func(d device.Device) error {
				return os.WriteFile(filepath.Join(d.Store, stages.StoreFile), []byte("staged: ["), 0o644)
			},
			func(d device.Device) []string {
				return []string{"parse forklift-stage-store.yml: [1:9] sequence end token ']' not found", "no stage is next"}
			},
		},
		"no store": {
			func(d device.Device) error { return os.RemoveAll(d.Store) },
			func(d device.Device) []string {
				return []string{"stage store " + d.Store + ": no such file or directory (stage a pallet with pkctl pallet switch, or name another directory with --store)", "no stage is next"}
			},
		},
		"damaged ledger": {
			func(d device.Device) error {
				return os.WriteFile(filepath.Join(d.State, override.LedgerFile), []byte("{"), 0o644)
			},
			func(d device.Device) []string {
				return []string{"list overrides: " + d.State + "/ledger.json: parse the ledger of overrides: unexpected end of JSON input"}
			},
		},
		"damaged reset": {
			func(d device.Device) error {
				return os.WriteFile(filepath.Join(d.State, override.ResetFile), []byte("{"), 0o644)
			},
			func(d device.Device) []string {
				return []string{"nothing will be reset: " + d.State + "/reset.json: parse the queued reset: unexpected end of JSON input (pkctl reset --cancel removes the file)"}
			},
		},
		"damaged apply report": {
			func(d device.Device) error { return os.WriteFile(d.Applied, []byte("{"), 0o644) },
			func(d device.Device) []string {
				return []string{d.Applied + ": parse the report of apply: unexpected end of JSON input"}
			},
		},
	} {
		t.Run(what, func(t *testing.T) {
			d, _ := newDevice(t)
			require.NoError(t, c.damage(d))
			s := d.Status()
			require.Equal(t, c.problems(d), s.Problems)
			text, err := json.Marshal(s)
			require.NoError(t, err)
			var fields map[string]any
			require.NoError(t, json.Unmarshal(text, &fields))
			for _, list := range []string{"failed", "problems", "hiding", "queued"} {
				require.NotNil(t, fields[list], list)
			}
		})
	}
}
