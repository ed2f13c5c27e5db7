package initsteps_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// rescued is a device on a card with a boot partition, whose stage 2 is proven and whose factory stage is 1.
func rescued(more map[string]string) *recorder {
	files := owned()
	files["var/lib/forklift/stages/forklift-stage-store.yml"] = "staged: {next: 2, history: [1, 2], names: {factory-reset: 1}}\n"
	r := device(files, more).insert(newCard(8<<30, 8<<30))
	r.card.boot = true
	r.files[onBoot+"config.txt"] = &fstest.MapFile{}
	r.files["proc/cmdline"].Data = []byte("root=PARTUUID=5d8f1a2b-02\n")
	for name, text := range more {
		r.files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return r
}

// reboot has the recorder forget its mounts and the report.
func (r *recorder) reboot() {
	r.mounts = r.mounts[:1]
	delete(r.files, "run/pkinit/boot.json")
}

const onBoot = "run/pkinit/boot/"

// A file that a phone or Windows writes on the boot partition has the effect once, and is answered.
func TestTextRequest(t *testing.T) {
	for _, name := range []string{"pkinit.txt", "PKINIT.TXT", "pkinit.txt.txt"} {
		t.Run(name, func(t *testing.T) {
			r := rescued(map[string]string{onBoot + name: "\xef\xbb\xbfSTAGE=Factory\r\nOVERRIDES=off\r\nwifi=x\r\n"})
			r.files["var/lib/overlays/last-boot.json"] = &fstest.MapFile{
				Data: []byte(`{"version": 1, "choice": {"stage": 2, "reason": "stage 2 is next and proven"}, "degraded": true, "problems": ["it hung"]}`)}
			b, err := inInitramfs(r)
			require.NoError(t, err)
			require.Equal(t, report.Choice{Stage: 1, Bundle: "/var/lib/forklift/stages/1", Requested: true,
				Reason: "stage 1 was requested by pkinit.txt", Overrides: report.OffOverrides}, b.Choice)
			require.NotContains(t, r.files, onBoot+name)
			require.Equal(t, strings.Join([]string{
				name + " was read.",
				`"wifi=x": key "wifi" is unknown: use stage, overrides or reset`,
				"requested: stage=factory",
				"requested: overrides=off",
				"",
				"THIS BOOT",
				"started with: stage 1 (stage 1 was requested by pkinit.txt)",
				"changes of the user: off",
				`problem: pkinit.txt: "wifi=x": key "wifi" is unknown: use stage, overrides or reset`,
				"",
				"THE BOOT BEFORE",
				"started with: stage 2 (stage 2 is next and proven)",
				"changes of the user: all",
				"problem: it hung",
				"",
			}, "\r\n"), string(r.files[onBoot+"pkinit-result.txt"].Data))

			r.reboot()
			b, err = inInitramfs(r)
			require.NoError(t, err)
			require.Equal(t, 2, b.Choice.Stage, "once")
			require.Nil(t, b.Request)
		})
	}
}

// A request that cannot be deleted has no effect: it would have it for ever.
func TestRequestThatCannotBeDeleted(t *testing.T) {
	for what, name := range map[string]string{"pkinit.txt": onBoot + "pkinit.txt", "pkctl boot --next": "var/lib/overlays/next-boot.json"} {
		r := rescued(map[string]string{name: map[string]string{
			"pkinit.txt": "stage=1", "pkctl boot --next": `{"version": 1, "stage": "1"}`}[what]})
		r.fail = func(_ int, call string) bool { return call == "remove /"+name }
		b, err := inInitramfs(r)
		require.NoError(t, err)
		require.Equal(t, 2, b.Choice.Stage, what)
		require.Contains(t, b.Problems, "read a request from "+what+": remove /"+name+": injected")
	}
}

func TestResetOfARequestThatCannotBeDeleted(t *testing.T) {
	r := rescued(map[string]string{onBoot + "pkinit.txt": "reset=all"})
	r.fail = func(_ int, call string) bool { return call == "remove /"+onBoot+"pkinit.txt" }
	_, err := inInitramfs(r)
	require.NoError(t, err)
	require.NotContains(t, r.files, "var/lib/overlays/reset.json", "it would be carried out at each boot")
}

// A boot of a proven stage that a person requested gets no verdict, and so does not count as one without.
func TestRequestedBootIsNotCounted(t *testing.T) {
	const state = "var/lib/forklift/stages/boot-state.json"
	for _, line := range []string{"pkinit.overrides=off\n", "pkinit.stage=1\n", "pkinit.stage=9\n"} {
		r := rescued(map[string]string{"proc/cmdline": line, state: `{"version": 1, "stages": {"2": {"result": "good"}}}`})
		before := fmt.Sprint(r.files[state])
		_, err := inInitramfs(r)
		require.NoError(t, err)
		require.Equal(t, before, fmt.Sprint(r.files[state]), line)
	}
}

func TestRequests(t *testing.T) {
	for what, c := range map[string]struct {
		files     map[string]string
		held      bool
		stage     int
		overrides report.Overrides
		problem   string
	}{
		"kernel argument, a stage":    {map[string]string{"proc/cmdline": "pkinit.stage=1\n"}, false, 1, report.AllOverrides, ""},
		"kernel argument, no stage":   {map[string]string{"proc/cmdline": "pkinit.stage=none\n"}, false, 0, report.AllOverrides, ""},
		"kernel argument, overrides":  {map[string]string{"proc/cmdline": "pkinit.overrides=off\n"}, false, 2, report.OffOverrides, ""},
		"pkctl boot --next":           {map[string]string{"var/lib/overlays/next-boot.json": `{"version": 1, "stage": "factory", "overrides": "off"}`}, false, 1, report.OffOverrides, ""},
		"the first source counts":     {map[string]string{onBoot + "pkinit.txt": "stage=1", "proc/cmdline": "pkinit.stage=none\n"}, false, 1, report.AllOverrides, ""},
		"the pin":                     {map[string]string{"proc/cmdline": "pkinit.gpio=17\n"}, true, 1, report.OffOverrides, ""},
		"the pin, open":               {map[string]string{"proc/cmdline": "pkinit.gpio=17\n"}, false, 2, report.AllOverrides, ""},
		"no pin":                      {nil, true, 2, report.AllOverrides, ""},
		"a reset of the overrides":    {map[string]string{onBoot + "pkinit.txt": "reset=overrides"}, false, 2, report.NoOverrides, ""},
		"a reset to the factory":      {map[string]string{onBoot + "pkinit.txt": "reset=factory"}, false, 1, report.AllOverrides, ""},
		"a stage that does not exist": {map[string]string{"proc/cmdline": "pkinit.stage=9\n"}, false, 2, report.AllOverrides, "stage=9 was requested by the kernel's command line: stage 9 cannot be used: directory 9 does not exist"},
		"a value that is unknown":     {map[string]string{"proc/cmdline": "pkinit.stage=x\n"}, false, 2, report.AllOverrides, `the kernel's command line: pkinit.stage=x: value "x" of stage is unknown: use factory, none`},
		"a damaged file":              {map[string]string{"var/lib/overlays/next-boot.json": "{"}, false, 2, report.AllOverrides, "read a request from pkctl boot --next: parse next-boot.json: unexpected end of JSON input"},
	} {
		t.Run(what, func(t *testing.T) {
			r := rescued(c.files)
			r.held = c.held
			b, err := inInitramfs(r)
			require.NoError(t, err)
			require.Equal(t, c.stage, b.Choice.Stage)
			require.Equal(t, c.overrides, b.Choice.Overrides)
			require.NotContains(t, r.files, "var/lib/overlays/next-boot.json", "it is consumed")
			if c.problem != "" {
				require.Contains(t, b.Problems, c.problem)
			} else {
				require.Empty(t, b.Problems)
			}
		})
	}
}

// What a person asked for and cannot be mounted is followed by what the device would have started with.
func TestRequestedStageThatCannotBeMounted(t *testing.T) {
	r := rescued(map[string]string{"proc/cmdline": "pkinit.stage=1\n"})
	r.fail = func(_ int, call string) bool {
		return call == "bind ro /var/lib/forklift/stages/1 /run/forklift/stages/current"
	}
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, 2, b.Choice.Stage)
	require.Len(t, b.Unusable, 1)
}

// A reset is queued before pkinit.txt is deleted.
func TestResetIsQueuedFirst(t *testing.T) {
	r := rescued(map[string]string{onBoot + "pkinit.txt": "reset=all"})
	_, err := inInitramfs(r)
	require.NoError(t, err)
	queued, removed := -1, -1
	for i, c := range r.calls {
		switch c {
		case "write /var/lib/overlays/reset.json -rw-r--r--":
			queued = max(queued, 0)
			if removed < 0 {
				queued = i
			}
		case "remove /" + onBoot + "pkinit.txt":
			removed = i
		}
	}
	require.Positive(t, queued)
	require.Greater(t, removed, queued)
	require.JSONEq(t, `{"version": 1, "containers": true}`, string(r.files["var/lib/overlays/reset.json"].Data), "the rest is for Docker")
	require.NotContains(t, r.files, "var/lib/overlays/overrides/etc/shadow")
}

// Overrides that are off are kept, and in force again after the next boot.
func TestOverridesOff(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	write(t, dir, owned())
	nstest.Enter(t, dir)
	require.NoError(t, os.WriteFile("/var/lib/overlays/next-boot.json", []byte(`{"version": 1, "overrides": "off"}`), 0o644))
	b := linux(t)
	require.NoError(t, b.All())
	require.Equal(t, "image", read(t, "/etc/shadow"))
	require.Equal(t, "2", read(t, "/etc/stage"))
	require.Equal(t, []report.OverlayMode{report.Volatile, report.Volatile}, modes(b))
	require.Equal(t, "owner", read(t, "/var/lib/overlays/overrides/etc/shadow"))
	require.NoFileExists(t, "/var/lib/overlays/next-boot.json")
	require.NoDirExists(t, "/var/lib/overlays/set-aside")
}
