package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseProblems(t *testing.T) {
	const head = "title: t\nsteps:\n"
	tests := map[string]struct{ text, want string }{
		"no title":            {"steps:\n  - boot:", "s.yml:1:1: key title is missing"},
		"no steps":            {"title: t\nsteps: []", "s.yml:2:1: steps: scenario has no steps"},
		"unknown step":        {head + "  - boost:", "s.yml:3:5: steps[0]: want one of the keys boot, expect, run, write, delete, stage, cut, power-off, reset, ends, fill, clock, plug, unplug, damage, check-card\ns.yml:3:5: steps[0].boost: unknown key; did you mean boot?"},
		"two kinds":           {head + "  - {boot: , cut: }", "s.yml:3:5: steps[0]: want one of the keys boot and cut, have both"},
		"unknown expectation": {head + "  - expect: {unit: {}}", "s.yml:3:14: steps[0].expect.unit: unknown key; did you mean units?"},
		"pattern":             {head + "  - expect: {console: {lacks: ['(']}}", "s.yml:3:32: steps[0].expect.console.lacks[0]: \"(\" is not a regular expression: error parsing regexp: missing closing ): `(?m)(`"},
		"duration":            {head + "  - boot: {timeout: 5}", `s.yml:3:12: steps[0].boot.timeout: "5" is not a duration; write one such as 90s or 5m`},
		"size":                {head + "  - fill: {path: /, leave: 1GB}", `s.yml:3:21: steps[0].fill.leave: "1GB" is not a size; write one in B, KiB, MiB or GiB`},
		"large size":          {head + "  - fill: {path: /, leave: 99999999999GiB}", `s.yml:3:21: steps[0].fill.leave: size "99999999999GiB" is too large`},
		"time":                {head + "  - clock: tomorrow", `s.yml:3:5: steps[0].clock: "tomorrow" is not a time; write one such as 2031-05-01T12:00:00Z`},
		"mode":                {head + "  - write: {path: /x, mode: rw}", `s.yml:3:23: steps[0].write.mode: "rw" does not match; write octal digits such as 0755`},
		"relative path":       {head + "  - delete: x", `s.yml:3:5: steps[0].delete: "x" does not match; write an absolute path`},
		"off":                 {head + "  - run: echo", "s.yml:3:5: steps[0]: run needs a machine that is on; here it is off"},
		"on":                  {head + "  - boot:\n  - boot:", "s.yml:4:5: steps[1]: boot needs a machine that is off; here it is on"},
		"damage while on":     {head + "  - boot:\n  - damage: {partition: 1, blocks: 1}", "s.yml:4:5: steps[1]: damage needs a machine that is off; here it is on"},
		"shell while booting": {head + "  - boot: {until: x}\n  - run: echo", "s.yml:4:5: steps[1]: run needs a machine that is on; here it is booting, without a shell"},
		"unknown peer":        {head + "  - {on: laptop, boot: }", `s.yml:3:6: steps[0].on: unknown peer "laptop", want one of peers`},
		"unknown stick":       {head + "  - boot:\n  - unplug: a", "s.yml:4:5: steps[1]: stick a is not plugged in"},
		"stick twice":         {head + "  - boot:\n  - plug: {name: a}\n  - plug: {name: a}", "s.yml:5:5: steps[2]: stick a is plugged in already"},
		"port":                {head + "  - boot:\n  - expect: {ports: {70000: open}}", "s.yml:4:22: steps[1].expect.ports.70000: 70000 is not a port, want 1 to 65535"},
		"closed with answer":  {head + "  - boot:\n  - expect: {ports: {7: {state: closed, get: /}}}", "s.yml:4:22: steps[1].expect.ports.7: a closed port has no answer"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("s.yml", []byte(tt.text))
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestConsoleOutlastsTheMachine(t *testing.T) {
	_, err := Parse("s.yml", []byte("title: t\nsteps:\n  - boot: {until: x}\n  - expect: {console: {lacks: [y]}}\n  - ends: reboot\n  - expect: {console: {lacks: [y]}}\n"))
	require.NoError(t, err)
}

// The scenarios of this project are correct, and have names for their page.
func TestScenarios(t *testing.T) {
	all, err := LoadDir("../scenarios")
	require.NoError(t, err)
	require.NotEmpty(t, Select(all, "planktoscope", true))
	for _, s := range all {
		require.Regexp(t, "^[a-z0-9-]+$", s.Name)
		require.FileExists(t, filepath.Join("../scenarios", s.Name+".yml"))
	}
}

func TestLoadDirWithoutScenarios(t *testing.T) {
	dir := t.TempDir()
	_, err := LoadDir(dir)
	require.EqualError(t, err, "no scenarios (*.yml) in "+dir)
}

func TestSelect(t *testing.T) {
	all := []*Scenario{{Name: "a"}, {Name: "b", Recipe: "x", Short: true}, {Name: "c", Recipe: "y", Short: true}}
	require.Equal(t, all[:2], Select(all, "x", false))
	require.Equal(t, all[1:2], Select(all, "x", true))
}

func TestSchema(t *testing.T) {
	for _, f := range []func() ([]byte, error){Schema, ExpectationsSchema} {
		src, err := f()
		require.NoError(t, err)
		require.Contains(t, string(src), "#/$defs/Unit")
	}
}

func TestReference(t *testing.T) {
	for file, write := range map[string]func() ([]byte, error){
		"scenarios.md":             func() ([]byte, error) { return Reference(), nil },
		"scenario.schema.json":     Schema,
		"expectations.schema.json": ExpectationsSchema,
	} {
		want, err := write()
		require.NoError(t, err)
		got, err := os.ReadFile("../../docs/" + file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "docs/%s is stale; run: make docs", file)
	}
}

// The examples of the documentation are correct.
func TestExamples(t *testing.T) {
	examples := strings.Split(introduction, "```")
	_, err := Parse("example.yml", []byte(strings.TrimPrefix(examples[1], "yaml\n")))
	require.NoError(t, err)
	_, err = ParseExpectations("example.yml", []byte(strings.TrimPrefix(examples[3], "yaml\n")))
	require.NoError(t, err)
	guide, err := os.ReadFile("../../docs/how-to/test.md")
	require.NoError(t, err)
	_, err = Parse("example.yml", []byte(strings.TrimPrefix(strings.Split(string(guide), "```")[1], "yaml\n")))
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add("title: t\nsteps:\n  - boot: {until: x}\n  - cut: {when: y}\n  - expect: {console: {lacks: [z]}}\n")
	f.Add("title: t\npeers: [a]\nsteps: [{on: a, boot: }, {on: a, plug: {name: b}}, {on: a, unplug: b}]\n")
	f.Fuzz(func(_ *testing.T, text string) {
		s, err := Parse("s.yml", []byte(text))
		if err == nil {
			_ = s.ports("")
		}
	})
}
