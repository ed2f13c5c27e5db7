package recipes

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// load loads pi.yml from files in memory, in which names that end in a slash are directories. The recipe has no positions,
// so that recipes can be compared.
func load(files map[string]string, set map[string]string) (*Recipe, error) {
	r, err := loadFrom("pi.yml", files, set)
	if r != nil {
		r.nodes = nil
	}
	return r, err
}

func loadFrom(path string, files map[string]string, set map[string]string) (*Recipe, error) {
	l := loader{
		read: func(name string) ([]byte, error) {
			if src, ok := files[filepath.Clean(name)]; ok {
				return []byte(src), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
		isDir: func(name string) (bool, error) {
			if _, ok := files[name]; ok {
				return false, nil
			}
			if _, ok := files[name+"/"]; ok {
				return true, nil
			}
			return false, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
		},
		options: Options{Set: set},
	}
	return l.load(path)
}

const base = "name: pi\nbase: {debian: {suite: trixie}}\n"

func TestLoad(t *testing.T) {
	recipe, err := load(map[string]string{"files/": "", "pallets/standard/": "", "images/segmenter/": "", "pi.yml": `
name: planktoscope
date: 2026-02-03T04:05:06Z
base:
  debian: {suite: trixie, components: [main, non-free-firmware], mirror: "http://ftp.debian.org/debian"}
vars: {user: pi}
secrets:
  pi-password: {env: PKBUILD_PI_PASSWORD}
layers:
  - packages: [vim, "libc6:arm64"]
  - files:
      - {target: /etc/hostname, content: "pkscope\n", mode: "0600", uid: 1, gid: 2}
      - {target: /, source: files}
      - target: /etc/motd
        content: |
          Hello, ${user}.
          $${user} is left alone.
      - {target: /etc/empty, content: ""}
      - {target: /etc/localtime, link: /usr/share/zoneinfo/UTC}
  - users:
      - {name: "${user}", uid: 1001, comment: Pi, shell: /bin/sh, groups: [sudo], password: pi-password}
      - {name: guest, authorized-keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFyl5IKGTXac231DU5C2a3NhBX/bMjJ5aD6E4hXKQZ+h me@buoy"]}
  - stage: {pallet: pallets/standard}
  - containers:
      images:
        - {name: caddy}
        - {name: "planktoscope/segmenter:1", source: "oci:images/segmenter:arm64"}
boot: {config: ["[pi4]", ""], cmdline: [quiet], modules: [ext4]}
disk: {boot-size: 256MiB, free: 1GiB, signature: 5e2a91c4, grow: false}
`}, nil)
	require.NoError(t, err)
	require.Equal(t, &Recipe{
		Name:         "planktoscope",
		Vars:         map[string]string{"user": "pi"},
		Architecture: "arm64",
		Date:         "2026-02-03T04:05:06Z",
		Base: Base{Debian: &Debian{
			Suite: "trixie", Components: []string{"main", "non-free-firmware"}, Mirror: "http://ftp.debian.org/debian",
		}},
		Layers: []Layer{
			{Packages: []string{"vim", "libc6:arm64"}},
			{Files: []File{
				{Target: "/etc/hostname", Content: "pkscope\n", Mode: "0600", UID: 1, GID: 2},
				{Target: "/", Source: "files"},
				{Target: "/etc/motd", Content: "Hello, pi.\n${user} is left alone.\n"},
				{Target: "/etc/empty"},
				{Target: "/etc/localtime", Link: "/usr/share/zoneinfo/UTC"},
			}},
			{Users: []User{
				{Name: "pi", UID: 1001, Comment: "Pi", Shell: "/bin/sh", Groups: []string{"sudo"}, Password: "pi-password"},
				{Name: "guest", UID: 1000, Shell: "/bin/bash", AuthorizedKeys: []string{ed25519Key}},
			}},
			{Stage: &Stage{Pallet: "pallets/standard", Starter: "pkctl", Names: []string{"factory-reset"}}},
			{Containers: &Containers{Stages: true, Images: []ContainerImage{
				{Name: "caddy"}, {Name: "planktoscope/segmenter:1", Source: "oci:images/segmenter:arm64"},
			}}},
		},
		Secrets: map[string]Secret{"pi-password": {Env: "PKBUILD_PI_PASSWORD"}},
		Boot:    Boot{Config: []string{"[pi4]", ""}, Cmdline: []string{"quiet"}, Modules: []string{"ext4"}},
		Disk:    Disk{BootSize: "256MiB", Free: "1GiB", Signature: "5e2a91c4"},
		Dir:     ".",
	}, recipe)
}

func TestMistakesInContainers(t *testing.T) {
	_, err := load(map[string]string{"files/": "", "pi.yml": base + `
layers:
  - containers:
      create: true
      from-stages: false
      images:
        - {name: caddy}
        - {name: "docker.io/library/caddy:latest"}
        - {name: Caddy}
        - {name: a, source: "docker://caddy"}
        - {name: b, source: "oci:missing"}
        - {source: "oci:files"}
`}, nil)
	require.EqualError(t, err, `pi.yml:6:15: layers[0].containers.create: without from-stages its apps have no images; remove from-stages, or create
pi.yml:10:18: layers[0].containers.images[1].name: container image "docker.io/library/caddy:latest" is already in pi.yml:9; remove one of them
pi.yml:11:18: layers[0].containers.images[2].name: "Caddy" is not the name of a container image (invalid reference format: repository name must be lowercase); write one such as eclipse-mosquitto:2.0.20
pi.yml:12:29: layers[0].containers.images[3].source: "docker://caddy" is invalid; write oci:DIRECTORY, oci-archive:FILE, docker-archive:FILE or dir:DIRECTORY, the first three with :TAG where there are several
pi.yml:13:29: layers[0].containers.images[4].source: missing: file does not exist; paths are relative to the file that names them
pi.yml:14:11: layers[0].containers.images[5]: "name" is missing; add it: the name of a container image, such as eclipse-mosquitto:2.0.20`)
}

func TestLoadSetsDefaults(t *testing.T) {
	recipe, err := load(map[string]string{"pi.yml": base}, nil)
	require.NoError(t, err)
	require.Equal(t, &Recipe{
		Name: "pi", Architecture: "arm64", Date: "2026-01-01", Dir: ".",
		Base: Base{Debian: &Debian{Suite: "trixie", Components: []string{"main"}}},
		Disk: Disk{BootSize: "512MiB", Free: "512MiB", Grow: true},
	}, recipe)
}

// A password in place of a secret's name must not be logged.
func TestMistakesDoNotShowSecrets(t *testing.T) {
	_, err := load(map[string]string{"pi.yml": base + `
secrets:
  pi: {env: hunter-2}
  wifi: hunter-2
layers:
  - users:
      - {name: pi, password: hunter-2}
      - {name: a, uid: 1, password: 12345}
      - {name: b, uid: 2, password: "\0hunter-2"}
`}, nil)
	require.ErrorContains(t, err, "pi.yml:5:13: secrets.pi.env: the value is invalid; "+
		"write the name of an environment variable, such as PKBUILD_PI_PASSWORD")
	require.ErrorContains(t, err, "pi.yml:9:30: layers[0].users[0].password: secret is not declared; ")
	require.NotContains(t, err.Error(), "hunter")
	require.NotContains(t, err.Error(), "12345")
}

// A leading zero means octal in YAML 1.1 and decimal in YAML 1.2, so numbers with one are refused.
func TestNumbersAreDecimal(t *testing.T) {
	for _, number := range []string{"010", "0o10", "0x10", "1_000", "1.5", "+1", ".inf"} {
		users := "layers: [{users: [{name: pi, uid: " + number + "}]}]\n"
		_, err := load(map[string]string{"pi.yml": base + users}, nil)
		require.EqualError(t, err, `pi.yml:3:35: layers[0].users[0].uid: "`+number+`" is not a number from 0 to 4294967295; `+
			"write decimal digits")
	}
}

// yes and off are booleans in YAML 1.1 but not in YAML 1.2.
func TestBooleans(t *testing.T) {
	for value, want := range map[string]string{
		"true": "", "True": "", "\"${yes}\"": "",
		"yes":         "expected a boolean, not a string; write true or false",
		"0":           "expected a boolean, not a number; write true or false",
		"[]":          "expected a boolean, not a list; write true or false",
		"\"false\"":   "expected a boolean, not a string; remove the quotes",
		"":            "value is missing; add one, or remove the key",
		"\"${name}\"": `"pi" is neither true nor false; write one of them`,
	} {
		vars := `vars: {"yes": "true", name: pi}` + "\n"
		recipe, err := load(map[string]string{"pi.yml": base + vars + "disk: {grow: " + value + "}\n"}, nil)
		if want == "" {
			require.NoError(t, err, value)
			require.True(t, recipe.Disk.Grow, value)
			continue
		}
		require.ErrorContains(t, err, ": disk.grow: "+want, value)
	}
	recipe, err := load(map[string]string{"pi.yml": base + "disk: {grow: false}\n"}, nil)
	require.NoError(t, err)
	require.False(t, recipe.Disk.Grow)
}

func TestLoadUnreadableFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "pi.yml"), Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "read recipe: open ")

	_, err = Load(t.TempDir(), Options{})
	require.ErrorContains(t, err, "is a directory")
	require.False(t, errors.As(err, new(Problems)))
}

func TestLoadRefusesBinaryAndLargeFiles(t *testing.T) {
	for name, test := range map[string]struct{ src, want string }{
		"Latin-1":       {"name: pi\ndate: ä\xe4", "pi.yml:2:8: byte is not UTF-8; save the file as UTF-8"},
		"cut off":       {"name: \xc3", "pi.yml:1:7: byte is not UTF-8; save the file as UTF-8"},
		"UTF-16":        {"\xff\xfen\x00", "pi.yml:1:1: the file is UTF-16; save it as UTF-8"},
		"UTF-16 of BOM": {"\xfe\xff\x00n", "pi.yml:1:1: the file is UTF-16; save it as UTF-8"},
		"byte order mark": {
			"\xef\xbb\xbfname: pi",
			"pi.yml:1:1: the file begins with a byte order mark; save it as UTF-8 without one",
		},
		"NUL":         {"name: p\x00i", "pi.yml:1:8: file contains a NUL byte; remove it"},
		"escaped NUL": {base + `date: "\0"`, "pi.yml:3:7: date: value contains a NUL byte; remove it"},
		"nothing":     {"", "pi.yml:1:1: the file is empty; a recipe has at least a name and a base"},
		"large": {
			base + "#" + strings.Repeat(" ", maxBytes),
			"pi.yml:1:1: the file is larger than 256KiB; move long texts to files of their own and name them as source",
		},
		"long": {
			base + strings.Repeat("x:\n", maxTokens),
			"pi.yml:9996:1: the file is too long; move what follows to a file of its own and include it",
		},
		"brackets": {strings.Repeat("[", 100), "pi.yml:1:65: value is nested more than 64 levels deep; flatten it"},
		"dashes":   {strings.Repeat("- ", 100), "pi.yml:1:129: value is nested more than 64 levels deep; flatten it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(map[string]string{"pi.yml": test.src}, nil)
			require.EqualError(t, err, test.want)
		})
	}
}

func TestPackagesOfOtherArchitectures(t *testing.T) {
	_, err := load(map[string]string{"pi.yml": base + "layers: [{packages: ['vim:arm64', 'wine:armhf']}, {install: ['tzdata:all', 'git:amd64']}]\n"}, nil)
	require.EqualError(t, err, `pi.yml:3:35: layers[0].packages[1]: package "wine:armhf" is for armhf, and the image for arm64, without other architectures; write wine
pi.yml:3:76: layers[1].install[1]: package "git:amd64" is for amd64, and the image for arm64, without other architectures; write git`)
}
