package scenario

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNeedsMachine(t *testing.T) {
	for steps, want := range map[string]string{
		"boot: |expect: {units: {a: active}}|cut: ":            "",
		"clock: 2031-05-01T12:00:00Z|boot: ":                   "line 3 has clock",
		"boot: |plug: {name: a}":                               "line 4 has plug",
		"boot: {watchdog: true}":                               "line 3 has boot.watchdog",
		"boot: |cut: {lost: true}":                             "line 4 has cut.lost",
		"boot: |ends: panic":                                   "line 4 has ends: panic",
		"boot: |ends: reboot":                                  "",
		"boot: |expect: {phases: {agent: 3s}}":                 "line 4 has expect.phases",
		"boot: |{kernel: true, expect: {phases: {agent: 3s}}}": "",
	} {
		s, err := Parse("s.yml", []byte("title: t\nsteps:\n  - "+strings.ReplaceAll(steps, "|", "\n  - ")))
		require.NoError(t, err, steps)
		require.Equal(t, want, s.NeedsMachine(), steps)
	}
	require.Equal(t, "machine is raspi3b", (&Scenario{Machine: "raspi3b"}).NeedsMachine())
	require.Equal(t, "kernel is true", (&Scenario{Kernel: true}).NeedsMachine())
	require.Empty(t, (&Scenario{Machine: ContainerMachine}).NeedsMachine())
}

func TestOn(t *testing.T) {
	s, err := Parse("s.yml", []byte("title: t\nsteps: [{boot: }, {kernel: true, expect: {defects: []}}, {run: x}]"))
	require.NoError(t, err)
	require.Same(t, s, s.On(""))
	require.Len(t, s.On("raspi3b").Steps, 3)
	c := s.On(ContainerMachine)
	require.Equal(t, []*Step{s.Steps[0], s.Steps[2]}, c.Steps)
	require.Equal(t, ContainerMachine, c.Machine)
	require.Len(t, s.Steps, 3)

	_, err = Parse("s.yml", []byte("title: t\nsteps: [{kernel: true, boot: }]"))
	require.EqualError(t, err, "s.yml:2:9: steps[0]: kernel is for expect and run: without boot the later steps mean something else")
}
