package initsteps_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// queued is a device whose administrator gave up a file and a directory.
func queued() *recorder {
	return device(map[string]string{
		"var/lib/overlays/revert.json":            `{"version": 1, "paths": ["/etc/motd", "/usr/share/x"]}`,
		"var/lib/overlays/overrides/etc/motd":     "mine",
		"var/lib/overlays/overrides/etc/motd2":    "mine",
		"var/lib/overlays/overrides/usr/share/x/": "mine",
	})
}

func TestRevertOverrides(t *testing.T) {
	r := queued()
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, report.Done, states(b)["revert-overrides"])
	require.Equal(t, []string{
		"remove /var/lib/overlays/overrides/etc/motd",
		"remove /var/lib/overlays/overrides/usr/share/x",
		"remove /var/lib/overlays/revert.json",
	}, removals(r))
	require.NotContains(t, r.files, "var/lib/overlays/overrides/etc/motd")
	require.Contains(t, r.files, "var/lib/overlays/overrides/etc/motd2")
	require.False(t, b.Degraded)
}

// A power cut in between leaves the queue, and the next boot goes on.
func TestRevertIsFinishedByTheNextBoot(t *testing.T) {
	for n := range 3 {
		r := queued()
		count := 0
		r.fail = func(_ int, call string) bool {
			if call[:4] == "remo" {
				count++
			}
			return count > n
		}
		_, err := inInitramfs(r)
		require.ErrorContains(t, err, "injected")
		require.Contains(t, r.files, "var/lib/overlays/revert.json")
		r.fail = nil
		r.mounts = nil
		_, err = inInitramfs(r)
		require.NoError(t, err)
		require.NotContains(t, r.files, "var/lib/overlays/revert.json")
		require.NotContains(t, r.files, "var/lib/overlays/overrides/etc/motd")
	}
}

// The layers of an overlay that is mounted do not change.
func TestRevertWaitsForTheNextBoot(t *testing.T) {
	r := device()
	_, err := inInitramfs(r)
	require.NoError(t, err)
	r.files["var/lib/overlays/revert.json"] = queued().files["var/lib/overlays/revert.json"]
	require.NoError(t, one(r, "revert-overrides"))
	require.Empty(t, removals(r))
}

func TestRevertWithABrokenQueue(t *testing.T) {
	r := device(map[string]string{"var/lib/overlays/revert.json": "{"})
	b, err := inInitramfs(r)
	require.EqualError(t, err, "revert-overrides: parse the queue of reverts: unexpected end of JSON input")
	require.Len(t, b.Overlays, 2, "the rest goes on")
	require.True(t, b.Degraded)
}

func removals(r *recorder) []string {
	var out []string
	for _, c := range r.calls {
		if len(c) > 7 && c[:7] == "remove " {
			out = append(out, c)
		}
	}
	return out
}
