package recipes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVariables(t *testing.T) {
	files := map[string]string{
		"pi.yml": `
name: "${board}-${kind}"
include: [common.yml]
base: {debian: {suite: "${suite}"}}
vars:
  suite: trixie
  home: /home/${user}
  literal: $${user} $$${user} $user } {
layers:
  - users: [{name: "${user}", uid: "${uid}", comment: "${literal}", shell: "${home}/sh"}]
`,
		"common.yml": "vars: {user: nobody, suite: bookworm, board: pi, kind: \"4\", uid: \"1007\"}\n",
	}
	recipe, err := load(files, map[string]string{"user": "pi", "board": "x${y}z"})
	require.EqualError(t, err, `pi.yml:2:7: name: "x${y}z-4" is invalid; `+
		`write up to 63 lower-case letters, digits and inner dashes, such as planktoscope`)
	require.Nil(t, recipe)

	recipe, err = load(files, map[string]string{"user": "pi", "kind": "5"})
	require.NoError(t, err)
	require.Equal(t, "pi-5", recipe.Name)
	require.Equal(t, "trixie", recipe.Base.Debian.Suite)
	require.Equal(t, User{
		Name: "pi", UID: 1007, Comment: "${user} $${user} $user } {", Shell: "/home/pi/sh",
	}, recipe.Layers[0].Users[0])
	require.Equal(t, map[string]string{
		"user": "pi", "suite": "trixie", "board": "pi", "kind": "5", "uid": "1007",
		"home": "/home/pi", "literal": "${user} $${user} $user } {",
	}, recipe.Vars)
}

func TestVariableExpansionIsLimited(t *testing.T) {
	doubled := "vars:\n  v0: " + strings.Repeat("lol", 1000) + "\n"
	for _, v := range []string{"1: ${v0}", "2: ${v1}", "3: ${v2}", "4: ${v3}", "5: ${v4}"} {
		doubled += "  v" + v + strings.Repeat(v[3:], 9) + "\n"
	}
	_, err := load(map[string]string{"pi.yml": base + doubled}, nil)
	require.EqualError(t, err,
		"pi.yml:8:7: vars.v4: strings of the recipe are larger than 4MiB after expansion; use shorter ones")
}

func TestBrokenVariablesAreReportedInPlace(t *testing.T) {
	_, err := load(map[string]string{
		"pi.yml": base + "vars: {a: 1, b: \"${a}\", c: \"${c}\"}\nboot: {cmdline: [\"${a}\", \"${b}\", \"${c}\"]}\n",
	}, nil)
	require.EqualError(t, err, `pi.yml:3:11: vars.a: expected a string, not a number; put it in quotes
pi.yml:3:28: vars.c: the variable stands for itself: c -> c; write one of them out`)
}
