package initsteps_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/internal/powercut"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/request"
)

// cutFiles are all files outside of the overlays that pkinit writes or deletes, with the scenario of TestPowerCuts that
// writes them.
var cutFiles = map[string]string{
	"var/lib/forklift/stages/boot-state.json":           "an attempt",
	"var/lib/forklift/stages/forklift-stage-store.yml":  "a reset",
	"var/lib/overlays/reset.json":                       "a reset",
	"var/lib/overlays/revert.json":                      "reverts",
	"var/lib/overlays/next-boot.json":                   "pkctl boot --next",
	"var/lib/overlays/last-boot.json":                   "an attempt",
	"var/lib/overlays/reserve/blocks":                   "an attempt",
	"var/lib/overlays/set-aside/1/overrides/etc/fstab":  "changed overrides",
	"var/lib/overlays/set-aside/1/overrides/etc/shadow": "all overrides",
	"run/pkinit/boot/pkinit.txt":                        "pkinit.txt",
	"run/pkinit/boot/pkinit-result.txt":                 "pkinit.txt",
	"run/pkinit/boot/cmdline.txt":                       "an identity",
	"etc/fstab":                                         "an identity",
	"home/pi/.profile":                                  "a hand-over",
}

// cutScenarios are boots in which pkinit changes files, by what it does.
func cutScenarios() map[string]func() *recorder {
	with := func(files map[string]string) func() *recorder {
		return func() *recorder { return rescued(files) }
	}
	ladder := func(boots int) func() *recorder {
		return func() *recorder { return rescued(hanging(boots)) }
	}
	reset := func(more string) func() *recorder {
		return with(map[string]string{"var/lib/overlays/reset.json": `{"version": 1, "stage": 1, "overrides": true, "containers": true` + more + `}`})
	}
	return map[string]func() *recorder{
		"an attempt":        with(map[string]string{"var/lib/forklift/stages/forklift-stage-store.yml": "staged: {next: 2, history: [1]}\n"}),
		"a reset":           reset(""),
		"a hand-over":       reset(`, "hand_over": true`),
		"reverts":           with(map[string]string{"var/lib/overlays/revert.json": `{"version": 1, "paths": ["/etc/shadow"]}`}),
		"pkctl boot --next": with(map[string]string{"var/lib/overlays/next-boot.json": `{"version": 1, "stage": "1", "overrides": "off"}`}),
		"pkinit.txt":        with(map[string]string{onBoot + "pkinit.txt": "stage=1"}),
		"a reset by text":   with(map[string]string{onBoot + "pkinit.txt": "reset=factory"}),
		"changed overrides": ladder(3),
		"all overrides":     ladder(5),
		"an identity":       flashed,
	}
}

// The power fails before each call to the system in which pkinit changes files. The two boots after that start with a stage
// and complete what was begun, every file can be read, and the owner's password is in force or was given up.
func TestPowerCuts(t *testing.T) {
	written := map[string][]string{}
	cuts := 0
	for what, device := range cutScenarios() {
		whole := device()
		before := map[string]string{}
		for name, f := range whole.files {
			before[name] = string(f.Data)
		}
		_, err := inInitramfs(whole)
		require.NoError(t, err, what)
		for name := range cutFiles {
			was, there := before[name]
			is := whole.files[name]
			if there != (is != nil) || is != nil && was != string(is.Data) || slices.ContainsFunc(whole.calls, func(c string) bool { return strings.HasPrefix(c, "write /"+name) }) {
				written[name] = append(written[name], what)
			}
		}
		for cut, call := range whole.calls {
			cuts++
			when := fmt.Sprintf("%s, cut before call %d, %s", what, cut+1, call)
			r := device()
			r.fail = func(n int, _ string) bool { return n > cut }
			_, _ = inInitramfs(r)
			r.fail = nil
			for range 2 {
				r.reboot()
				b, err := inInitramfs(r)
				require.NoError(t, err, when)
				require.NotZero(t, b.Choice.Stage, when)
				requireReadable(t, when, r)
			}
			requireDone(t, when, what, r, whole)
		}
	}
	for name, what := range cutFiles {
		require.Contains(t, written[name], what, "%s is written by the scenario", name)
	}
	t.Logf("%d cut points", cuts)
}

func sameFile(a, b *fstest.MapFile) bool {
	return a == nil && b == nil || a != nil && b != nil && string(a.Data) == string(b.Data)
}

// requireReadable checks that all files that pkinit and pkctl keep can be parsed.
func requireReadable(t *testing.T, when string, r *recorder) {
	t.Helper()
	for name, f := range r.files {
		var err error
		switch path.Base(name) {
		case stages.StateFile:
			_, err = stages.ParseBootState(f.Data)
		case stages.StoreFile:
			_, err = stages.ParseStore(f.Data)
		case override.ResetFile:
			_, err = override.ParseReset(f.Data)
		case override.QueueFile:
			_, err = override.ParseQueue(f.Data)
		case override.GoodFile:
			_, err = override.ParseGood(f.Data)
		case request.NextFile:
			_, err = request.ParseNext(f.Data)
		case "last-boot.json":
			err = json.Unmarshal(f.Data, &report.Boot{})
		}
		require.NoError(t, err, "%s: %s", when, name)
	}
}

// requireDone checks that what the boot began is complete: as without the power cut, the queues are empty, and the owner's
// files are where they would be, or still in force.
func requireDone(t *testing.T, when, what string, r, whole *recorder) {
	t.Helper()
	for _, name := range []string{"var/lib/overlays/revert.json", "var/lib/overlays/next-boot.json", onBoot + "pkinit.txt"} {
		require.NotContains(t, r.files, name, when)
	}
	require.True(t, sameFile(whole.files["var/lib/overlays/reset.json"], r.files["var/lib/overlays/reset.json"]), when)
	const shadow = "var/lib/overlays/overrides/etc/shadow"
	aside := slices.ContainsFunc(slices.Collect(maps.Keys(r.files)), func(name string) bool {
		return strings.HasPrefix(name, "var/lib/overlays/set-aside/") && strings.HasSuffix(name, "/etc/shadow")
	})
	switch what {
	case "a reset", "a hand-over", "a reset by text", "reverts":
		require.NotContains(t, r.files, shadow, when)
	default:
		require.True(t, r.files[shadow] != nil || aside, "%s: the owner's file is kept", when)
	}
	if what == "a hand-over" {
		require.NotContains(t, r.files, "home/pi/.profile", when)
	}
}

// What Linux writes, moves and deletes for pkinit is on the disk when it says so.
func TestLinuxWritesSurvivePowerCuts(t *testing.T) {
	powercut.After(t,
		func(dir string) {
			write(t, dir, map[string]string{"state/old": "old", "state/overrides/etc/fstab": "x", "cmdline.txt": "root=PARTUUID=5d8f1a2b-02"})
		},
		func(dir string) {
			l := initsteps.Linux{}
			at := func(name string) string { return filepath.Join(dir, name) }
			require.NoError(t, l.WriteFile(at("state/old"), []byte("new"), 0o644))
			require.NoError(t, l.WriteFile(at("state/last-boot.json"), []byte("{}"), 0o644))
			require.NoError(t, l.Rename(at("state/overrides/etc/fstab"), at("state/set-aside/1/overrides/etc/fstab")))
			require.NoError(t, l.WriteDevice(at("cmdline.txt"), 0, []byte("root=PARTUUID=01020304-02")))
		},
		func(dir string) {
			for name, want := range map[string]string{
				"state/old": "new", "state/last-boot.json": "{}", "state/set-aside/1/overrides/etc/fstab": "x", "cmdline.txt": "root=PARTUUID=01020304-02",
			} {
				require.Equal(t, want, read(t, filepath.Join(dir, name)), name)
			}
			_, err := os.Lstat(filepath.Join(dir, "state/overrides/etc/fstab"))
			require.ErrorIs(t, err, os.ErrNotExist)
		})
}
