package scenario

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFails(t *testing.T) {
	for steps, want := range map[string]string{
		"{fails: [exit code is 7], run: exit 7}":               "",
		"{fails: [exit code is 8], run: exit 7}":               `failure is "exit code is 7, want 0: \"\"", want a match of "exit code is 8"`,
		"{fails: [exit code is 7], run: exit 0}":               "run has 0 failures, want 1: ",
		"{fails: [a, b], run: exit 7}":                         `run has 1 failures, want 2: exit code is 7, want 0: ""`,
		"{fails: [stopped by reboot], ends: power-off}":        "",
		"{fails: [injected], stage: {files: {etc/motd: x}}}":   "",
		"{kernel: true, fails: [x], cut: {during: x}}|{cut: }": "cut has 0 failures, want 1: ",
	} {
		s, err := Parse("s.yml", []byte("title: t\nsteps:\n  - boot:\n  - "+strings.ReplaceAll(steps, "|", "\n  - ")))
		require.NoError(t, err, steps)
		m := healthy()
		m.outputs["exit 7"] = Output{Code: 7}
		if strings.Contains(steps, "injected") {
			m.fails = "run"
		}
		r := s.Run(t.Context(), func(string) (Device, error) { return m, nil }, false, nil)
		require.NoError(t, r.Err, steps)
		got := ""
		for _, f := range r.Failures {
			got += f.Message
		}
		require.Equal(t, want, got, steps)
	}
}

// In qemu/scenarios/mutations.yml each kind of event, and each key of each kind of expectation, fails once.
func TestMutationsAreComplete(t *testing.T) {
	s, err := Load("../scenarios/mutations.yml")
	require.NoError(t, err)
	failing := map[string]bool{}
	for _, step := range s.Steps {
		if step.Fails != nil {
			failing[step.kind()] = true
			used(reflect.ValueOf(step), "", failing)
		}
	}
	// These cannot fail by themselves: the machine obeys. The kinds of damage are one event. USB is tested in package qemu.
	exempt := map[string]bool{"reset": true, "clock": true, "plug": true, "unplug": true}
	for i := range reflect.TypeFor[Step]().NumField() {
		f := reflect.TypeFor[Step]().Field(i)
		key := f.Tag.Get("yaml")
		if strings.Contains(string(f.Tag), `oneof:"step"`) && !exempt[key] {
			require.True(t, failing[key], "no step of mutations.yml proves that %s can fail", key)
		}
	}
	// These say how another key is checked, or are checked with containers that fallback.yml starts.
	exempt = map[string]bool{"within": true, "commands.run": true, "commands.exit": true, "containers.image": true, "containers.env": true}
	for _, path := range leaves(reflect.TypeFor[Expectations](), "") {
		if !exempt[path] {
			require.True(t, failing["expect."+path], "no step of mutations.yml proves that expect.%s can fail", path)
		}
	}
}

// used adds the keys of a value that are set, as paths.
func used(v reflect.Value, path string, keys map[string]bool) {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil(), v.IsZero():
		return
	case v.Kind() == reflect.Pointer && v.Type() != reflect.TypeFor[*Pattern]():
		keys[path] = true
		used(v.Elem(), path, keys)
		return
	case v.Kind() == reflect.Map:
		keys[path] = true
		for _, key := range v.MapKeys() {
			used(v.MapIndex(key), path, keys)
		}
		return
	case v.Kind() == reflect.Slice:
		keys[path] = true
		for i := range v.Len() {
			used(v.Index(i), path, keys)
		}
		return
	}
	keys[path] = true
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[Pattern]() {
		return
	}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			used(v.Field(i), strings.TrimPrefix(path+"."+name, "."), keys)
		}
	}
}
