package recipes

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIncludeMerges(t *testing.T) {
	recipe, err := load(map[string]string{
		"pi.yml": `
name: pi
include: [first.yml, second.yml]
base: {debian: {mirror: "http://deb.example.org/debian"}}
vars: {own: main, shared: main}
secrets: {a: {file: a.txt}, b: {env: B}}
layers: [{packages: [main]}, {users: [{name: a, password: a}, {name: b, uid: 1, password: b}]}]
boot: {config: [main]}
disk: {free: 3MiB}
`,
		"first.yml": `
name: first
date: 2026-03-01
base: {debian: {suite: bookworm, components: [main, contrib]}}
vars: {shared: first, first: "${shared}"}
secrets: {a: {env: A}}
layers: [{packages: [first]}]
boot: {config: [first], cmdline: [first]}
disk: {free: 1MiB, boot-size: 300MiB, grow: false}
`,
		"second.yml": `
date: 2026-03-02
base: {debian: {suite: trixie, components: [main]}}
layers: [{packages: [second]}]
boot: {config: [second], modules: [second]}
disk: {free: 2MiB}
`,
	}, nil)
	require.NoError(t, err)

	require.Equal(t, &Recipe{
		Name:         "pi",
		Include:      []string{"first.yml", "second.yml"},
		Vars:         map[string]string{"own": "main", "shared": "main", "first": "main"},
		Architecture: "arm64",
		Date:         "2026-03-02",
		Base: Base{Debian: &Debian{
			Suite: "trixie", Components: []string{"main"}, Mirror: "http://deb.example.org/debian",
		}},
		Layers: []Layer{
			{Packages: []string{"first"}}, {Packages: []string{"second"}}, {Packages: []string{"main"}},
			{Users: []User{
				{Name: "a", UID: 1000, Shell: "/bin/bash", Password: "a"},
				{Name: "b", UID: 1, Shell: "/bin/bash", Password: "b"},
			}},
		},
		Secrets: map[string]Secret{"a": {File: "a.txt"}, "b": {Env: "B"}},
		Boot: Boot{
			Config: []string{"first", "second", "main"}, Cmdline: []string{"first"}, Modules: []string{"second"},
		},
		Disk: Disk{BootSize: "300MiB", Free: "3MiB"},
		Dir:  ".",
	}, recipe)
}

func TestIncludedPathsAreRelativeToTheirFile(t *testing.T) {
	recipe, err := loadFrom("recipes/pi.yml", map[string]string{
		"recipes/pi.yml": base + `
include: [../common/users.yml]
layers: [{files: [{target: /, source: ./files/}]}]
`,
		"common/users.yml": `
secrets: {pi: {file: pi.txt}}
layers:
  - users: [{name: pi, password: pi}]
  - files: [{target: /, source: files}, {target: /motd, source: /etc/motd}]
  - stage: {pallet: ../pallets/standard}
`,
		"recipes/files/": "", "common/files/": "", "pallets/standard/": "", "/etc/motd": "",
	}, nil)
	require.NoError(t, err)
	require.Equal(t, "recipes", recipe.Dir)
	require.Equal(t, "../common/pi.txt", recipe.Secrets["pi"].File)
	require.Equal(t, "../common/files", recipe.Layers[1].Files[0].Source)
	require.Equal(t, "/etc/motd", recipe.Layers[1].Files[1].Source)
	require.Equal(t, "../pallets/standard", recipe.Layers[2].Stage.Pallet)
	require.Equal(t, "files", recipe.Layers[3].Files[0].Source)
	require.Equal(t, "common/files", filepath.Join(recipe.Dir, recipe.Layers[1].Files[0].Source))
}

func TestIncludeCountsAFileOnce(t *testing.T) {
	recipe, err := load(map[string]string{
		"pi.yml":     base + "include: [board.yml, users.yml, ./common.yml]\n",
		"board.yml":  "include: [common.yml]\ndate: 2026-03-01\n",
		"users.yml":  "include: [common.yml]\n",
		"common.yml": "date: 2026-02-01\nlayers: [{packages: [common]}]\n",
	}, nil)
	require.NoError(t, err)
	require.Equal(t, []Layer{{Packages: []string{"common"}}}, recipe.Layers)
	require.Equal(t, "2026-03-01", recipe.Date, "what is said once is not said again after it was overruled")
}

func TestIncludeOfItself(t *testing.T) {
	_, err := load(map[string]string{"pi.yml": base + "include: [./pi.yml]\n"}, nil)
	require.EqualError(t, err,
		"pi.yml:3:11: include[0]: the file includes itself: pi.yml -> pi.yml; remove one of these")
}

func TestAbsolutePathsAreKept(t *testing.T) {
	files := map[string]string{
		"/common/motd.yml": "layers: [{files: [{target: /a, source: /etc/motd}, {target: /b, source: motd}]}]\n",
		"/common/motd":     "", "/etc/motd": "",
		"/recipes/pi.yml": base + "include: [/common/motd.yml]\n",
	}
	files["pi.yml"] = files["/recipes/pi.yml"]

	recipe, err := loadFrom("/recipes/pi.yml", files, nil)
	require.NoError(t, err)
	require.Equal(t, "/etc/motd", recipe.Layers[0].Files[0].Source)
	require.Equal(t, "../common/motd", recipe.Layers[0].Files[1].Source)

	recipe, err = load(files, nil)
	require.NoError(t, err)
	require.Equal(t, "/etc/motd", recipe.Layers[0].Files[0].Source)
	require.Equal(t, "/common/motd", recipe.Layers[0].Files[1].Source, "no path leads there from a relative one")
}

func TestPathsAreOneLine(t *testing.T) {
	_, err := load(map[string]string{
		"pi.yml": base + `
include: ["common\n.yml"]
layers: [{files: [{target: /a, source: "a\r"}]}]
`}, nil)
	require.EqualError(t, err, `pi.yml:4:11: include[0]: "common\n.yml" contains a control character; remove it
pi.yml:5:40: layers[0].files[0].source: "a\r" contains a control character; remove it`)
}

// A key that may be in an unreadable file is not reported as missing.
func TestMissingIncludeIsReportedOnce(t *testing.T) {
	_, err := load(map[string]string{
		"pi.yml": "include: [common.yml]\nlayers: [{users: [{name: \"${user}\", password: pi, uid: x}]}]\n",
	}, map[string]string{"x": "y"})
	require.EqualError(t, err,
		"pi.yml:1:11: include[0]: common.yml: file does not exist; paths are relative to the file that names them\n"+
			"pi.yml:2:56: layers[0].users[0].uid: expected a number, not a string; write decimal digits")
}
