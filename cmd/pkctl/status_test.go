package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
)

// number returns a pointer to a number of overrides.
func number(n int) *int { return &n }

// Who logs in is told what is not as it should be, and nothing if all is well.
func TestMessageOfTheDay(t *testing.T) {
	healthy := device.Status{Running: device.RunningStage{Stage: 2}, Next: device.NextBoot{Stage: 2}, Overrides: number(4), Queued: []string{"/etc/a"}}
	for what, c := range map[string]struct {
		change func(s *device.Status)
		want   []string
	}{
		"healthy": {func(*device.Status) {}, nil},
		"fallback": {func(s *device.Status) {
			s.Failed = []device.FailedStage{{Stage: 3, When: "2026-01-02T03:04:05Z"}}
			s.Degraded, s.Problems = true, []string{"stage 3 is next but was found bad"}
		}, []string{"Stage 3 failed on 2026-01-02T03:04:05Z; stage 2 runs.", "The device is degraded.", "  stage 3 is next but was found bad", "See pkctl status."}},
		"failed and running": {func(s *device.Status) {
			s.Failed = []device.FailedStage{{Stage: 2}}
			s.Degraded, s.Problems = true, []string{"a", "b", "c", "d"}
		}, []string{"The device is degraded.", "  a", "  b", "  c", "See pkctl status."}},
		"unreadable store": {func(s *device.Status) {
			s.Next = device.NextBoot{}
			s.Problems = []string{"parse forklift-stage-store.yml: broken", "no stage is next"}
		}, []string{"The next boot starts with no stage.", "  parse forklift-stage-store.yml: broken", "  no stage is next", "See pkctl status."}},
		"hidden updates": {func(s *device.Status) { s.Hiding = []string{"/etc/a", "/etc/b", "/etc/c", "/etc/d", "/etc/e"} },
			[]string{"Your changes hide updates: /etc/a, /etc/b, /etc/c and 2 more (pkctl override ls --hiding).", "See pkctl status."}},
		"ladder": {func(s *device.Status) { s.Running.Ladder = "without overrides" },
			[]string{"Boots ended without a verdict; this one runs without overrides (pkctl override check).", "See pkctl status."}},
		"reset": {func(s *device.Status) { s.Reset = &override.Reset{Stage: 1, Containers: true} },
			[]string{"A reset is queued: start with stage 1, delete containers and volumes of stages.", "See pkctl status."}},
	} {
		t.Run(what, func(t *testing.T) {
			s := healthy
			c.change(&s)
			require.Equal(t, c.want, messageOfTheDay(&s))
		})
	}
}

func TestPrintStatus(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printStatus(&out, &device.Status{
		Running: device.RunningStage{Stage: 2, Reason: "x", Ladder: "without overrides", Origin: device.Origin{Pallet: "example.org/p", Version: "v1", Changed: true}},
		Next:    device.NextBoot{Stage: 3, Reason: "y", Origin: device.Origin{Pallet: "example.org/p", Changed: true}},
		Verdict: &device.Verdict{Result: stages.Good, When: "then"},
		Reset:   &override.Reset{Stage: 3, Overrides: true},
		Failed:  []device.FailedStage{{Stage: 4, When: "now", Reasons: []string{"burnt", "drowned"}}},
		Hiding:  []string{"/etc/a"}, Queued: []string{"/etc/b"}, Problems: []string{"p"},
	}))
	require.Equal(t, `running         stage 2 (x)
recovery        without overrides, after boots without a verdict
pallet          example.org/p v1 (changed)
verdict         good, on then
next boot       stage 3 (y)
                example.org/p (not committed)
to be reset     start with stage 3, delete all changes in /etc and /usr
failed          stage 4, on now
                burnt
                drowned
overrides       unknown
hidden updates  /etc/a: see pkctl override ls --hiding
to be reverted  /etc/b
problem         p
`, out.String())
	require.Equal(t, []string{"none", "7 in /etc and /usr"}, []string{overridesText(number(0)), overridesText(number(7))})
}

// A user who may change the store in their home gets that one, root the device's, and the environment decides first.
func TestDefaultStore(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	own := filepath.Join(home, homeStore)
	require.Equal(t, stages.Dir, defaultStore())
	put(t, own, map[string]string{stages.StoreFile: ""})
	if os.Geteuid() != 0 {
		require.Equal(t, own, defaultStore())
	}
	t.Setenv("FORKLIFT_STAGE_STORE", "/elsewhere")
	require.Equal(t, "/elsewhere", defaultStore())
}
