package apply_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// scene is a device that boots unproven stage 3; stage 2 is the last proven one.
type scene struct {
	docker  *docker
	suspect string
	system  *system
	store   *verdicts
	boot    report.Boot
	options apply.Options
	said    []string
	bundle  string
	checks  string
}

func newScene(t *testing.T, apps ...service) *scene {
	if apps == nil {
		apps = []service{{name: "net"}, {"web", []string{"net"}}}
	}
	return &scene{
		docker: newDocker(), system: &system{},
		store: &verdicts{snapshot: stages.Snapshot{
			Staged:  stages.Staged{Next: 3, History: []int{1, 2}},
			State:   stages.BootState{}.WithAttempt(3, at),
			Bundles: map[int]error{1: nil, 2: nil, 3: nil},
		}},
		boot:    report.Boot{Choice: report.Choice{Stage: 3, Attempt: 1}},
		options: apply.Options{Reboot: true},
		bundle:  bundle(t, apps...),
		checks:  t.TempDir(),
	}
}

func (s *scene) addCheck(t *testing.T, name string) {
	require.NoError(t, os.WriteFile(filepath.Join(s.checks, name), []byte("#!/bin/sh\n"), 0o755))
}

func (s *scene) apply(ctx context.Context) (*apply.Report, error) {
	d := apply.Device{
		Docker: s.docker, System: s.system, Store: s.store, StageDirs: []string{home, s.bundle}, Bundle: s.bundle,
		Checks: []string{s.checks}, Suspect: func() string { return s.suspect }, Now: func() time.Time { return at }, Log: func(line string) { s.said = append(s.said, line) },
	}
	return d.Apply(ctx, s.boot, s.options)
}

func TestApplyGood(t *testing.T) {
	s := newScene(t)
	s.addCheck(t, "camera")
	r, err := s.apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, &apply.Report{
		Version: 1, Stage: 3, Result: stages.Good, Reasons: []string{}, Started: at.Truncate(time.Second), Finished: at.Truncate(time.Second),
		Apps: []apply.Outcome{
			{Deployment: "net", Project: "net", State: apply.Running}, {Deployment: "web", Project: "web", State: apply.Running},
		},
		Checks: []apply.Check{{Name: "camera", Path: filepath.Join(s.checks, "camera")}},
		Next:   3,
	}, r)
	require.Equal(t, []string{"complete", "check camera"}, s.system.calls)
	require.Equal(t, stages.Staged{Next: 3, History: []int{1, 2, 3}}, s.store.snapshot.Staged)
	require.Equal(t, []string{"app net: running", "app web: running", "check camera: passed", "stage 3: good"}, s.said)

	data, err := r.Marshal()
	require.NoError(t, err)
	read, err := apply.ParseReport(data)
	require.NoError(t, err)
	require.Equal(t, *r, read)
}

// Each failure is a reason of a bad verdict, and the device reboots into the proven stage.
func TestApplyBad(t *testing.T) {
	for what, c := range map[string]struct {
		breaks  func(*scene)
		reasons []string
		system  []string
	}{
		"app": {
			func(s *scene) { s.docker.errs["up net"] = errors.New("it\n  burns") },
			[]string{"app net: failed: container net-1 of net is exited (Exited (1) 2 seconds ago): it burns"},
			[]string{"reboot"},
		},
		"image": {
			func(s *scene) { s.docker.images = []string{"example.org/web:1"} },
			[]string{"app web: failed: images not on the device: example.org/web:1 (with a network: pkctl stage apply --pull)"},
			[]string{"reboot"},
		},
		"docker": {
			func(s *scene) { s.docker.absent = errors.New("is the daemon running?") },
			[]string{"is the daemon running?"},
			[]string{"reboot"},
		},
		"bundle": {
			func(s *scene) { s.bundle = "/nowhere" },
			[]string{"read bundle: open /nowhere: no such file or directory"},
			[]string{"reboot"},
		},
		"boot": {
			func(s *scene) {
				s.system.complete = func(context.Context) error { return errors.New("dependency failed") }
			},
			[]string{"the boot is not complete: dependency failed"},
			[]string{"complete", "reboot"},
		},
		"unit": {
			func(s *scene) { s.system.broken = []string{"unit controller.service is failed (exit-code)"} },
			[]string{"unit controller.service is failed (exit-code)"},
			[]string{"complete", "check camera", "check pump", "reboot"},
		},
		"check": {
			func(s *scene) { s.system.checks = map[string]string{"camera": "exit status 1"} },
			[]string{"check CHECKS/camera: failed: exit status 1: it said this"},
			[]string{"complete", "check camera", "check pump", "reboot"},
		},
		"check that hangs": {
			func(s *scene) {
				s.system.checks = map[string]string{"camera": "hang"}
				s.options.CheckLimit = time.Millisecond
			},
			[]string{"check CHECKS/camera: failed: timed out after 1ms: it began"},
			[]string{"complete", "check camera", "check pump", "reboot"},
		},
		"container that ends later": {
			func(s *scene) {
				s.system.late = func() { s.docker.run("web", s.bundle, "restarting", "Restarting (1) 1 second ago") }
			},
			[]string{"container web-1 of web is restarting (Restarting (1) 1 second ago)"},
			[]string{"complete", "check camera", "check pump", "reboot"},
		},
		"all of it takes too long": {
			func(s *scene) {
				s.options.Timeout = time.Millisecond
				s.docker.up = func(ctx context.Context, _ string) error { <-ctx.Done(); return context.Cause(ctx) }
			},
			[]string{
				"app net: failed: container net-1 of net is running (Up 3 seconds (health: starting)): timed out after 1ms",
				"applying the stage timed out after 1ms",
			},
			[]string{"reboot"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScene(t)
			s.addCheck(t, "camera")
			s.addCheck(t, "pump")
			c.breaks(s)
			r, err := s.apply(t.Context())
			require.NoError(t, err)
			require.Equal(t, stages.Failed, r.Result)
			for i, text := range c.reasons {
				c.reasons[i] = strings.Replace(text, "CHECKS", s.checks, 1)
			}
			require.Equal(t, c.reasons, r.Reasons)
			require.Equal(t, c.system, s.system.calls)
			require.True(t, r.Reboot)
			require.Equal(t, 2, r.Next)
			require.Equal(t, stages.Staged{Next: 3, NextFailed: true, History: []int{1, 2}}, s.store.snapshot.Staged)
			require.Equal(t, c.reasons, s.store.snapshot.State.Stages[3].Reasons)
			require.Equal(t, "rebooting to start stage 2", s.said[len(s.said)-1])
		})
	}
}

// The device reboots only if that leads to another stage, and never from a proven one, so it cannot reboot for ever.
func TestApplyRebootsOnlyToAnotherStage(t *testing.T) {
	for what, c := range map[string]struct {
		staged  stages.Staged
		stage   int
		attempt int
		refuse  bool // reboots are not asked for
		reboot  bool
		next    int
	}{
		"an attempt":                  {stages.Staged{Next: 3, History: []int{1, 2}}, 3, 1, false, true, 2},
		"an attempt, by hand":         {stages.Staged{Next: 3, History: []int{1, 2}}, 3, 1, true, false, 2},
		"the first stage of all":      {stages.Staged{Next: 3}, 3, 1, false, true, 0},
		"the fallback":                {stages.Staged{Next: 3, NextFailed: true, History: []int{1, 2}}, 2, 0, false, false, 2},
		"the proven one":              {stages.Staged{Next: 2, History: []int{1, 2}}, 2, 0, false, false, 2},
		"an attempt, good meanwhile":  {stages.Staged{Next: 3, History: []int{1, 2, 3}}, 3, 1, false, false, 3},
		"going back to an older one":  {stages.Staged{Next: 1, History: []int{1, 2}}, 1, 1, false, true, 2},
		"proven, another is next now": {stages.Staged{Next: 3, History: []int{1, 2}}, 2, 0, false, false, 3},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScene(t)
			s.store.snapshot.Staged = c.staged
			s.boot.Choice = report.Choice{Stage: c.stage, Attempt: c.attempt}
			s.options.Reboot = !c.refuse
			s.docker.errs["up net"] = errors.New("it burns")
			r, err := s.apply(t.Context())
			require.NoError(t, err)
			require.Equal(t, []any{c.reboot, c.next}, []any{r.Reboot, r.Next})
			if c.reboot {
				require.Equal(t, []string{"reboot"}, s.system.calls)
			} else {
				require.Empty(t, s.system.calls)
			}
		})
	}
}

// After a good verdict the device does not reboot, even if another stage was made next meanwhile.
func TestApplyGoodDoesNotReboot(t *testing.T) {
	s := newScene(t)
	s.store.snapshot.Staged.Next = 1
	r, err := s.apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{stages.Good, false, 1}, []any{r.Result, r.Reboot, r.Next})
	require.Equal(t, []string{"complete"}, s.system.calls)
}

// Without a verdict if it is canceled: a device that is switched off is not unhealthy.
func TestApplyInterrupted(t *testing.T) {
	s := newScene(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.docker.up = func(ctx context.Context, _ string) error { cancel(); <-ctx.Done(); return ctx.Err() }
	r, err := s.apply(ctx)
	require.EqualError(t, err, "apply was interrupted before a verdict")
	require.Equal(t, stages.Pending, r.Result)
	require.Equal(t, stages.Pending, s.store.snapshot.State.Stages[3].Result)
	require.Empty(t, s.system.calls)
}

// Units that end because the system shuts down did not fail.
func TestApplyDuringShutdown(t *testing.T) {
	s := newScene(t)
	s.system.stopping = true
	s.system.complete = func(context.Context) error { return errors.New("job canceled") }
	_, err := s.apply(t.Context())
	require.EqualError(t, err, "apply was interrupted before a verdict")
	require.Equal(t, stages.Pending, s.store.snapshot.State.Stages[3].Result)
	require.Equal(t, []string{"complete"}, s.system.calls)
}

// The device does not reboot if the verdict cannot be recorded: its attempts run out by themselves.
func TestApplyUnrecordedVerdict(t *testing.T) {
	s := newScene(t)
	s.store.err = errors.New("no space left on device")
	s.docker.errs["up net"] = errors.New("it burns")
	_, err := s.apply(t.Context())
	require.EqualError(t, err, "record the verdict on stage 3 (failed): no space left on device")
	require.Empty(t, s.system.calls)
}

// Without a stage all apps of stages are removed, and no verdict is recorded.
func TestApplyNoStage(t *testing.T) {
	s := newScene(t)
	s.boot.Choice = report.Choice{Reason: "no stage can be used"}
	s.docker.run("net", home+"/2/packages/net", "running", "Up 3 hours")
	before := s.store.snapshot
	r, err := s.apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"remove net"}, s.docker.calls)
	require.Equal(t, before, s.store.snapshot)
	require.Equal(t, []any{0, false}, []any{r.Stage, r.Reboot})
}

func TestReportIsBounded(t *testing.T) {
	var apps []service
	for range 30 {
		apps = append(apps, service{name: "a" + strings.Repeat("x", len(apps))})
	}
	s := newScene(t, apps...)
	for _, a := range apps {
		s.docker.errs["up "+a.name] = errors.New(strings.Repeat("é", 5000) + "\nthe end")
	}
	r, err := s.apply(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Reasons, 20)
	for _, text := range r.Reasons {
		require.LessOrEqual(t, len(text), 510)
		require.Regexp(t, "^app a.* the end$", text)
	}
	for text, message := range map[string]string{
		"":              "parse the report of apply: unexpected end of JSON input",
		`{"version":2}`: "parse the report of apply: version is 2, want 1",
	} {
		_, err := apply.ParseReport([]byte(text))
		require.EqualError(t, err, message)
	}
}

// A bad verdict names what the user changed; a good one has no reasons.
func TestSuspectOverrides(t *testing.T) {
	s := newScene(t)
	s.suspect = "changed by the user since the last good boot: /etc/fstab"
	r, err := s.apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, stages.Good, r.Result)
	require.Empty(t, r.Reasons)
	s.docker.errs["up web"] = errors.New("no such file")
	r, err = s.apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, stages.Failed, r.Result)
	require.Equal(t, s.suspect, r.Reasons[len(r.Reasons)-1])
}

// A boot that a person asked for has no verdict: what the device starts with by itself does not change.
func TestRequestedBoot(t *testing.T) {
	s := newScene(t)
	s.boot.Choice.Requested = true
	r, err := s.apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, stages.Good, r.Result)
	require.Equal(t, stages.Pending, s.store.snapshot.State.Stages[3].Result)
	require.Contains(t, s.said, "stage 3: good; no verdict is recorded, since a person asked for this boot")
}
