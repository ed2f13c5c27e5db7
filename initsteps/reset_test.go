package initsteps_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

const resetFile = "var/lib/overlays/reset.json"

// toReset is a device whose administrator gave up the second stage and more.
func toReset(reset string) *recorder {
	return device(map[string]string{
		resetFile: reset,
		"var/lib/forklift/stages/forklift-stage-store.yml": "forklift-version: v0.9.0\n" +
			"staged: {next: 2, next-failed: true, history: [3], names: {factory-reset: 1}}\n",
		"var/lib/forklift/stages/3/forklift-bundle.yml": "forklift-version: v0.8.0\n",
		"var/lib/forklift/stages/boot-state.json":       `{"version": 1, "stages": {"1": {"attempts": 3}, "2": {"attempts": 1, "result": "failed"}}}`,
		"var/lib/overlays/revert.json":                  `{"version": 1, "paths": ["/etc/motd"]}`,
		"var/lib/overlays/overrides/etc/motd":           "mine",
		"var/lib/overlays/overrides/usr/share/x":        "mine",
		"var/lib/overlays/ledger.json":                  "{}",
	})
}

func TestReset(t *testing.T) {
	for reset, want := range map[string]struct {
		left  string // of the queued reset
		files bool   // the overrides stay
	}{
		`{"version": 1, "stage": 1}`:                                          {"", true},
		`{"version": 1, "stage": 1, "overrides": true}`:                       {"", false},
		`{"version": 1, "stage": 1, "containers": true}`:                      {"{\n  \"version\": 1,\n  \"containers\": true\n}\n", true},
		`{"version": 1, "stage": 1, "overrides": true, "containers": true}`:   {"{\n  \"version\": 1,\n  \"containers\": true\n}\n", false},
		`{"version": 1, "stage": 1, "overrides": false, "containers": false}`: {"", true},
	} {
		r := toReset(reset)
		b, err := inInitramfs(r)
		require.NoError(t, err)
		require.Equal(t, report.Done, states(b)["reset"])
		require.False(t, b.Degraded)
		requireReset(t, r, b, want.left)
		require.Equal(t, want.files, r.files["var/lib/overlays/overrides/usr/share/x"] != nil)
	}
}

// requireReset: this boot has started with the first stage, which is next from now on.
func requireReset(t *testing.T, r *recorder, b *report.Boot, left string) {
	t.Helper()
	require.Equal(t, report.Choice{
		Stage: 1, Bundle: "/var/lib/forklift/stages/1", Reason: "stage 1 is next, attempt 1 of 3", Attempt: 1, Overrides: report.AllOverrides,
	}, b.Choice)
	store, err := stages.ParseStore(r.files["var/lib/forklift/stages/forklift-stage-store.yml"].Data)
	require.NoError(t, err)
	require.Equal(t, stages.Store{ForkliftVersion: "v0.9.0", Staged: stages.Staged{
		Next: 1, History: []int{3}, Names: map[string]int{"factory-reset": 1},
	}}, store)
	if left == "" {
		require.NotContains(t, r.files, resetFile)
	} else {
		require.Equal(t, left, string(r.files[resetFile].Data))
	}
}

// The reset ends before each of its calls, and the next boot does all of it.
func TestResetIsFinishedByTheNextBoot(t *testing.T) {
	const everything = `{"version": 1, "stage": 1, "overrides": true, "containers": true}`
	whole := toReset(everything)
	_, err := inInitramfs(whole)
	require.NoError(t, err)
	first := slices.Index(whole.calls, "read /"+resetFile)
	end := slices.Index(whole.calls, "write /"+resetFile+" -rw-r--r--")
	require.Greater(t, end, first+5)
	for n := first + 1; n <= end+1; n++ {
		t.Run(fmt.Sprintf("%d %s", n, whole.calls[n-1]), func(t *testing.T) {
			r := toReset(everything)
			cut := false
			r.fail = func(i int, _ string) bool { // from then on nothing happens any more
				cut = cut || i == n
				return cut
			}
			b, err := inInitramfs(r)
			require.Error(t, err)
			require.True(t, b.Degraded)
			require.Equal(t, everything, string(r.files[resetFile].Data))

			r.fail, r.mounts = nil, nil
			b, err = inInitramfs(r)
			require.NoError(t, err)
			requireReset(t, r, b, "{\n  \"version\": 1,\n  \"containers\": true\n}\n")
			for name := range r.files {
				require.False(t, strings.HasPrefix(name, "var/lib/overlays/overrides/"), name)
			}
			require.NotContains(t, r.files, "var/lib/overlays/revert.json")
		})
	}
}

// A stage that cannot be started is no reason to give anything up.
func TestResetToABrokenStage(t *testing.T) {
	for stage, message := range map[string]string{
		"7": "reset: stage 7 cannot be next: directory 7 does not exist " +
			"(to cancel the reset: pkctl reset --cancel)",
		"-1": "reset: parse the queued reset: -1 is not the number of a stage",
	} {
		r := toReset(`{"version": 1, "stage": ` + stage + `, "overrides": true}`)
		b, err := inInitramfs(r)
		require.ErrorContains(t, err, message)
		require.Equal(t, 3, b.Choice.Stage)
		require.Contains(t, r.files, "var/lib/overlays/overrides/usr/share/x")
		require.Contains(t, r.files, resetFile)
		require.True(t, b.Degraded)
	}
}

func TestResetThatWaits(t *testing.T) {
	r := toReset(`{"version": 1, "containers": true}`)
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, report.Skipped, states(b)["reset"])
	require.Contains(t, r.files, resetFile)
	require.Contains(t, r.files, "var/lib/overlays/overrides/usr/share/x")

	r = device()
	_, err = inInitramfs(r)
	require.NoError(t, err)
	r.files[resetFile] = toReset(`{"version": 1, "stage": 1, "overrides": true}`).files[resetFile]
	require.NoError(t, one(r, "reset"))
	require.Contains(t, r.files, resetFile, "the layers of an overlay that is mounted do not change")
}

// Nothing of the owner is left, what services and users need is there, and a second owner can start.
func TestHandOver(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	files := owned()
	files["var/lib/forklift/stages/forklift-stage-store.yml"] = "staged: {next: 2, history: [1, 2], names: {factory-reset: 1}}\n"
	files["var/lib/overlays/reset.json"] = `{"version": 1, "stage": 1, "overrides": true, "containers": true, "hand_over": true}`
	files["etc/passwd"] = "root:x:0:0::/root:/bin/sh\npi:x:0:0::/home/pi:/bin/sh\n"
	owners := []string{
		"home/pi/.ssh/id_ed25519", "home/pi/data/plankton.jpg", "home/ana/x", "root/.bash_history", "srv/x",
		"var/log/journal/0123/system.journal", "var/log/mosquitto/mosquitto.log", "var/lib/mosquitto/mosquitto.db",
		"var/lib/iwd/Lab.psk", "var/lib/systemd/random-seed", "var/lib/overlays/set-aside/1/overrides/etc/shadow",
		"var/lib/overlays/last-boot.json", "var/lib/overlays/good.json",
	}
	for _, name := range owners {
		files[name] = "the owner's"
	}
	write(t, dir, files)
	nstest.Enter(t, dir)
	b := linux(t)
	require.NoError(t, b.One("reset"))
	for _, name := range owners {
		require.NoFileExists(t, "/"+name)
	}
	require.NoDirExists(t, "/var/lib/overlays/overrides")
	require.DirExists(t, "/var/log/mosquitto", "its service needs the directory")
	require.DirExists(t, "/var/lib/mosquitto")
	i, err := os.Stat("/home/pi")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), i.Mode().Perm())
	require.Equal(t, "image", read(t, "/etc/shadow"))
	require.JSONEq(t, `{"version": 1, "containers": true, "hand_over": true}`, read(t, "/var/lib/overlays/reset.json"), "Docker's part is left")
	require.FileExists(t, "/var/lib/forklift/stages/1/forklift-bundle.yml")
}
