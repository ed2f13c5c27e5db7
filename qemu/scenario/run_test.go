package scenario

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// parse parses steps below a title.
func parse(t *testing.T, steps string) *Scenario {
	t.Helper()
	s, err := Parse("s.yml", []byte("title: t\nsteps:\n"+steps))
	require.NoError(t, err)
	return s
}

func runOn(t *testing.T, s *Scenario, m Device) *Result {
	t.Helper()
	return s.Run(t.Context(), func(string) (Device, error) { return m, nil }, true, nil)
}

// events has a scenario for each kind of event, the calls that it makes between the boot and the end, and the beginning of
// the one that can fail.
func events() map[string]struct {
	steps string
	calls []string
	fails string
} {
	const boot = "  - boot:\n"
	return map[string]struct {
		steps string
		calls []string
		fails string
	}{
		"boot": {
			"  - boot: {offline: true, watchdog: true, timeout: 1m}\n  - expect: {ports: {22: {answer: ^SSH}, 80: {get: /}}}\n",
			[]string{"start {Offline:true Ports:[22 80] Clock:0001-01-01 00:00:00 +0000 UTC USB:false Watchdog:true WriteLog:false}", "ready 1m0s"}, "start",
		},
		"boot until": {
			"  - boot: {until: verify, timeout: 1m}\n",
			[]string{"start {Offline:false Ports:[] Clock:0001-01-01 00:00:00 +0000 UTC USB:false Watchdog:false WriteLog:false}"}, "start",
		},
		"run":                   {boot + "  - run: {run: echo hello, output: hello}\n", []string{"run echo hello"}, "run"},
		"write":                 {boot + "  - write: {path: /etc/it's, content: c, mode: '0600'}\n", []string{`run echo Yw== | base64 -d >'/etc/it'\''s' && chmod 600 '/etc/it'\''s' && sync -f '/etc/it'\''s'`}, "run"},
		"write on the card":     {"  - write: {path: /x, content: c}\n", []string{`write /x "c" 644`}, "write"},
		"delete":                {boot + "  - delete: /etc/x\n", []string{"run rm -r -- '/etc/x' && sync -f '/etc'"}, "run"},
		"delete on the card":    {"  - delete: /etc/x\n", []string{"delete /etc/x"}, "delete"},
		"cut":                   {boot + "  - cut:\n", []string{"cut false 0"}, "cut"},
		"cut that loses writes": {boot + "  - cut: {lost: true, seed: 7}\n", []string{"cut true 7"}, "cut"},
		"cut at a moment": {
			boot + "  - cut: {during: pkctl stage apply, when: verify, after: 2s}\n",
			[]string{"run (pkctl stage apply\n) </dev/null >/dev/null 2>&1 &", "sleep 2s", "cut false 0"}, "run",
		},
		"power-off": {boot + "  - power-off: {limit: 1m}\n", []string{"power off 1m0s"}, "power off"},
		"reset":     {boot + "  - reset: {after: 1s}\n", []string{"sleep 1s", "cut false 0"}, "sleep"},
		"ends":      {boot + "  - ends: reboot\n", []string{"ended 10m0s"}, "ended"},
		"fill": {
			boot + "  - fill: {path: /var, leave: 1MiB}\n",
			[]string{"run free=$(df --block-size=1 --output=avail '/var' | tail -n 1) || exit\nfallocate -l \"$free\" '/var/.scenario-fill' 2>/dev/null\n" +
				"cat /dev/zero >>'/var/.scenario-fill' 2>/dev/null\ntruncate --size -1048576 '/var/.scenario-fill'\nsync -f '/var/.scenario-fill'\n"}, "run",
		},
		"clock":             {boot + "  - clock: 2031-05-01T12:00:00Z\n", []string{"run date --utc --set @1935403200"}, "run"},
		"clock of the next": {"  - clock: 2031-05-01T12:00:00Z\n" + boot, []string{"start {Offline:false Ports:[] Clock:2031-05-01 12:00:00 +0000 UTC USB:false Watchdog:false WriteLog:false}", "ready 10m0s"}, "start"},
		"plug":              {boot + "  - plug: {name: a, size: 32MiB, files: {f: text}}\n", []string{"plug {Name:a Size:33554432 Files:map[f:text]}"}, "plug"},
		"unplug":            {boot + "  - plug: {name: a}\n  - unplug: a\n", []string{"plug {Name:a Size:0 Files:map[]}", "unplug a"}, "unplug"},
		"damage":            {"  - damage: {partition: 2, debugfs: [rm /x]}\n", []string{`debugfs ["rm /x"]`}, "debugfs"},
		"damage superblock": {"  - damage: {partition: 2, superblock: true}\n", []string{"overwrite 2 0 4096"}, "overwrite"},
		"damage blocks": {
			"  - damage: {partition: 1, blocks: 2, seed: 7}\n", []string{"size", "overwrite 1 212992 4096", "overwrite 1 307200 4096"}, "size",
		},
		"check-card": {"  - check-card: {repair: true}\n", []string{"check true"}, "check"},
	}
}

func TestEvents(t *testing.T) {
	for name, e := range events() {
		t.Run(name, func(t *testing.T) {
			m := healthy()
			m.now = 0
			r := runOn(t, parse(t, e.steps), m)
			require.NoError(t, r.Err)
			require.Empty(t, r.Failures)
			require.Equal(t, r.Of, r.Steps)
			calls := m.calls[:len(m.calls)-1]
			require.Equal(t, "close false", m.calls[len(m.calls)-1])
			if !strings.HasPrefix(e.calls[0], "start") && strings.Contains(e.steps, "boot") {
				require.Regexp(t, "^start ", calls[0])
				require.Regexp(t, "^ready ", calls[1])
				calls = calls[2:]
			}
			require.Equal(t, e.calls, calls)

			m = healthy()
			m.now, m.fails = 0, e.fails
			r = runOn(t, parse(t, e.steps), m)
			require.ErrorContains(t, r.Err, "s.yml:")
			require.ErrorContains(t, r.Err, ": injected")
			require.Less(t, r.Steps, r.Of)
			require.Equal(t, "the details", r.Details)
			require.Equal(t, "close true", m.calls[len(m.calls)-1])
		})
	}
}

func TestEveryEventIsTested(t *testing.T) {
	text := ""
	for _, e := range events() {
		text += e.steps
	}
	steps := reflect.TypeFor[Step]()
	for i := range steps.NumField() {
		if f := steps.Field(i); f.Tag.Get("oneof") != "" {
			require.Contains(t, text+"- stage:", "- "+f.Tag.Get("yaml")+":", "TestStage tests the key stage")
		}
	}
}

// A script of an event that exits with another code than 0 ends the scenario.
func TestEventScripts(t *testing.T) {
	for _, step := range []string{"write: {path: /x}", "delete: /x", "stage: {}", "cut: {during: x}", "fill: /", "clock: 2031-05-01T12:00:00Z"} {
		m := healthy()
		m.now = 0
		m.outputs = map[string]Output{"": {Code: 3, Text: "No space left on device\n"}}
		r := runOn(t, parse(t, "  - boot:\n  - "+step+"\n"), m)
		require.ErrorContains(t, r.Err, "steps[1]: script ended with exit code 3: No space left on device", step)
	}
}

func TestRunFails(t *testing.T) {
	m := healthy()
	m.now = 0
	r := runOn(t, parse(t, "  - boot:\n  - run: {run: echo hello, exit: 2}\n  - power-off:\n"), m)
	require.Equal(t, `s.yml:4:5: steps[1].run: exit code is 0, want 2: "hello"`, strings.Replace(r.Failures[0].String(), "4:10", "4:5", 1))
	require.Equal(t, 1, r.Steps)
}

func TestEndsByAnotherReason(t *testing.T) {
	m := healthy()
	m.now, m.ends = 0, "panic"
	r := runOn(t, parse(t, "  - boot:\n  - ends: reboot\n"), m)
	require.Equal(t, "s.yml:4:5: steps[1].ends: the machine stopped by panic, want reboot", r.Message())
}

func TestAwait(t *testing.T) {
	m := healthy()
	m.now, m.console = 0, ""
	m.asleep = func(r *recorder) {
		if r.now > 3*time.Second {
			r.console = "select-stage: done"
		}
	}
	require.NoError(t, runOn(t, parse(t, "  - boot: {until: select-stage}\n  - cut:\n"), m).Err)
	m.asleep, m.console, m.now = nil, "", 0
	r := runOn(t, parse(t, "  - boot: {until: select-stage, timeout: 1s}\n"), m)
	require.ErrorContains(t, r.Err, `console has no match of "select-stage" after 1s`)
	m.fails, m.now = "sleep", 0
	r = runOn(t, parse(t, "  - boot: {until: select-stage, timeout: 1s}\n"), m)
	require.ErrorContains(t, r.Err, `console has no match of "select-stage": injected`)
}

// The script runs in a shell of the host, in a directory in place of the device's store, with a pkctl that records its
// arguments.
func TestStage(t *testing.T) {
	s := parse(t, "  - boot:\n  - stage: {files: {etc/motd: \"it's\\n\"}, apps: {main: 'services: {}'}, next: true}\n")
	dir := t.TempDir()
	store, bin := filepath.Join(dir, "store"), filepath.Join(dir, "bin")
	require.NoError(t, os.MkdirAll(filepath.Join(store, "1"), 0o755))
	require.NoError(t, os.Mkdir(bin, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "pkctl"), []byte("#!/bin/sh\necho \"$@\" >"+dir+"/called\n"), 0o755))
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(s.Steps[1].Stage.script(), storeDir, store))
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for name, want := range map[string]string{
		"store/2/exports/overlays/etc/motd":          "it's\n",
		"store/2/packages/main/compose.yml":          "services: {}",
		"store/2/packages/main/forklift-package.yml": "package: {description: app of a scenario}\ndeployment: {compose-files: [compose.yml]}\n",
		"store/2/forklift-bundle.yml": "forklift-version: v0.8.0-alpha.6\npallet: {path: example.org/scenario, version: v1.0.0, clean: true}\n" +
			"deploys: {main: {package: /main}}\n",
		"called": "stage set-next 2\n",
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
}

// A small file system of the host is filled in place of the guest's.
func TestFill(t *testing.T) {
	needs.Root(t)
	dir := t.TempDir()
	script := "mount -t tmpfs -o size=8m tmpfs " + dir + "\n" + (&Fill{Path: dir, Leave: 1 << 20}).script() +
		"\ndf --block-size=1 --output=avail " + dir + " | tail -n 1"
	out, err := exec.Command("unshare", "--mount", "sh", "-c", script).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "1048576", strings.TrimSpace(string(out)))
}

func TestPeers(t *testing.T) {
	s, err := Parse("s.yml", []byte("title: t\npeers: [laptop]\nsteps:\n  - boot:\n  - {on: laptop, boot: }\n  - {on: laptop, run: echo hello}\n"))
	require.NoError(t, err)
	machines := map[string]*recorder{}
	r := s.Run(t.Context(), func(name string) (Device, error) {
		machines[name] = healthy()
		machines[name].now = 0
		return machines[name], nil
	}, false, nil)
	require.NoError(t, r.Err)
	require.Len(t, machines[""].calls, 3)
	require.Equal(t, "run echo hello", machines["laptop"].calls[2])
}

func TestNoMachine(t *testing.T) {
	s := parse(t, "  - boot:\n")
	r := s.Run(t.Context(), func(string) (Device, error) { return nil, errors.New("no QEMU") }, false, nil)
	require.EqualError(t, r.Err, "s.yml:3:5: steps[0]: no QEMU")
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := healthy()
	m.now = 0
	var steps []string
	r := parse(t, "  - boot:\n  - expect: {ports: {81: open}}\n").Run(ctx, func(string) (Device, error) { return m, nil }, false,
		func(step string) { steps = append(steps, step) })
	require.ErrorIs(t, r.Err, context.Canceled)
	require.Equal(t, []string{"boot", "expect"}, steps)
}
