package recipes

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// lower is a recipe to include.
const lower = base + `repositories:
  - {name: updates, uris: ["http://u.example"], suites: [s], components: [main]}
secrets: {pi-password: {env: PI}}
layers:
  - packages: [vim, systemd-timesyncd/trixie-backports]
  - install: [tree]
  - files: [{target: /etc/motd, content: hello}, {target: /, source: ../tree}]
  - users: [{name: pi, password: pi-password}]
  - containers: {images: [{name: caddy}, {name: redis}]}
boot: {config: [a=1, b=2], cmdline: [quiet, splash], modules: [ext4, nvme], boards: [pi4, pi5]}
`

func TestRemove(t *testing.T) {
	files := map[string]string{
		"include/low.yml": lower, "tree/": "", "tree/etc/issue": "", "tree/etc/net/": "",
		"pi.yml": `include: [include/low.yml]
remove:
  packages: [systemd-timesyncd, tree]
  repositories: [updates]
  files: [/etc/motd, /etc/issue, /etc/net]
  users: [pi]
  containers: [redis]
  config: [a=1]
  cmdline: [splash]
  modules: [nvme]
  boards: [pi5]
layers:
  - packages: [chrony]
  - users: [{name: pi, uid: 1001}]
`,
	}
	r, err := load(files, nil)
	require.NoError(t, err)
	require.Nil(t, r.Remove)
	require.Empty(t, r.Repositories)
	require.Equal(t, []Layer{
		{Packages: []string{"vim"}},
		{Files: []File{{Target: "/", Source: "tree", Exclude: []string{"etc/issue", "etc/net"}}}},
		{Containers: &Containers{Images: []ContainerImage{{Name: "caddy"}}, Stages: true}},
		{Packages: []string{"chrony"}},
		{Users: []User{{Name: "pi", UID: 1001, Shell: "/bin/bash"}}},
	}, r.Layers)
	require.Equal(t, Boot{Config: []string{"b=2"}, Cmdline: []string{"quiet"}, Modules: []string{"ext4"}, Boards: []string{"pi4"}}, r.Boot)
}

// TestRemoveAffectsIncludedFilesOnly: a recipe cannot remove entries of its own or of a sibling.
func TestRemoveAffectsIncludedFilesOnly(t *testing.T) {
	files := map[string]string{
		"a.yml":  base + "layers: [{packages: [vim, git]}]\n",
		"b.yml":  "remove: {packages: [vim]}\nlayers: [{packages: [nano]}]\n",
		"pi.yml": "include: [a.yml, b.yml]\n",
	}
	_, err := load(files, nil)
	require.EqualError(t, err, `b.yml:1:21: remove.packages[0]: no included recipe has the package "vim"; remove this entry`)
	files["b.yml"] = "include: [a.yml]\n" + files["b.yml"]
	r, err := load(files, nil)
	require.NoError(t, err)
	require.Equal(t, []Layer{{Packages: []string{"git"}}, {Packages: []string{"nano"}}}, r.Layers)
}

func TestNothingToRemove(t *testing.T) {
	for remove, want := range map[string]string{
		"packages: [systemd-timesync]": `remove.packages[0]: no included recipe has the package "systemd-timesync"; did you mean "systemd-timesyncd"?`,
		"packages: [zzz]":              `remove.packages[0]: no included recipe has the package "zzz"; remove this entry`,
		"packages: [own]":              `remove.packages[0]: package "own" is in this file; delete it there`,
		"repositories: [x]":            `remove.repositories[0]: no included recipe has the repository "x"; remove this entry`,
		"files: [/etc/nothing]":        `remove.files[0]: no included recipe has the file "/etc/nothing"; remove this entry`,
		"users: [po]":                  `remove.users[0]: no included recipe has the user "po"; did you mean "pi"?`,
		"cmdline: [quieet]":            `remove.cmdline[0]: no included recipe has the kernel argument "quieet"; did you mean "quiet"?`,
		"modules: [xhci]":              `remove.modules[0]: no included recipe has the kernel module "xhci"; remove this entry`,
		"layers: [x]":                  `remove.layers: unknown key; `,
	} {
		_, err := load(map[string]string{
			"include/low.yml": lower, "tree/": "",
			"pi.yml": "include: [include/low.yml]\nlayers: [{packages: [own]}]\nremove:\n  " + remove + "\n",
		}, nil)
		require.ErrorContains(t, err, want)
	}
}

func TestDuplicatesOfIncludesSayHowToReplaceThem(t *testing.T) {
	for layer, want := range map[string]string{
		"layers: [{users: [{name: pi, uid: 5}]}]": `user "pi" is already in include/low.yml:10; rename one of them, or leave the other out with remove: {users: [pi]}`,
		`repositories: [{name: updates, uris: ["http://v"], suites: [s]}]`: `repository "updates" is already in include/low.yml:4; ` +
			"rename one of them, or leave the other out with remove: {repositories: [updates]}",
	} {
		_, err := load(map[string]string{"include/low.yml": lower, "tree/": "", "pi.yml": "include: [include/low.yml]\n" + layer + "\n"}, nil)
		require.ErrorContains(t, err, want)
	}
}

func TestExclude(t *testing.T) {
	files := func(entry string) map[string]string {
		return map[string]string{"tree/": "", "tree/a": "", "pi.yml": base + "layers: [{files: [" + entry + "]}]\n"}
	}
	r, err := load(files("{target: /, source: tree, exclude: [a]}"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, r.Layers[0].Files[0].Exclude)
	_, err = load(files("{target: /, source: tree, exclude: [b]}"), nil)
	require.ErrorContains(t, err, `exclude[0]: source tree has no "b"; remove the path, or correct it`)
	_, err = load(files("{target: /x, content: y, exclude: [b]}"), nil)
	require.ErrorContains(t, err, "exclude[0]: only a source directory can have excluded files; remove exclude")
}
