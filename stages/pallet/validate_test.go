package pallet

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// app returns a package with a compose file, and its deployment of the same name.
func app(name, compose string) string {
	return "-- deployments/" + name + ".deploy.yml --\npackage: /packages/" + name + "\n-- packages/" + name +
		"/forklift-package.yml --\ndeployment: {compose-files: [compose.yml]}\n-- packages/" + name + "/compose.yml --\n" + compose + "\n"
}

// validated returns the mistakes and the warnings of a pallet, with short names: P for its directory, X and Y for the
// compose files of apps x and y.
func validated(t *testing.T, dir string) (mistakes string, warnings []string) {
	t.Helper()
	p, err := Read(dir)
	require.NoError(t, err)
	v := p.Validate(t.Context())
	short := strings.NewReplacer(dir+"/packages/x/compose.yml:", "X:", dir+"/packages/y/compose.yml:", "Y:", dir, "P").Replace
	for _, w := range v.Warnings {
		warnings = append(warnings, short(w))
	}
	if err := v.Err(); err != nil {
		mistakes = short(err.Error())
		_, err = p.Bundle(t.Context(), Options{})
		require.Error(t, err, "a bundle has the same mistakes")
	}
	return mistakes, warnings
}

// columns matches the column of a position in X or Y, which TestValidatePositions checks.
var columns = regexp.MustCompile(`([XY]:\d+):\d+:`)

func TestValidateApps(t *testing.T) {
	const missing, readOnly = ", which does not exist", "; Docker cannot create it, since stages are read-only"
	one := func(service string) string { return app("x", "services: {s: {image: x, "+service+"}}") }
	for name, test := range map[string]struct{ files, want string }{
		"sound": {one("ports: ['80:80']"), ""},

		"bind of a missing path": {one("volumes: ['./data:/d']"),
			"X:1: deployment x: bind mount of service s needs P/packages/x/data" + missing + readOnly},
		"bind in the long form": {one("volumes: [{type: bind, source: data, target: /d, bind: {create_host_path: false}}]"),
			"X:1: deployment x: bind mount of service s needs P/packages/x/data" + missing + readOnly},
		"bind of a file":          {one("volumes: ['./data:/d']") + "-- packages/x/data --\n", ""},
		"bind of a directory":     {one("volumes: ['./data:/d']") + "-- packages/x/data/file --\n", ""},
		"bind of the package":     {one("volumes: ['.:/d']"), ""},
		"bind of the host":        {one("volumes: ['/data:/d', '/dev/video0:/dev/video0']"), ""},
		"bind of another package": {one("volumes: ['../a/overlays:/d']"), ""},
		"bind of no package":      {one("volumes: ['../b:/d']"), "X:1: deployment x: bind mount of service s needs packages/packages/b, which the bundle does not have"},
		"bind of an export":       {one("volumes: ['../../../exports/overlays/etc:/d']"), ""},
		"bind of no export":       {one("volumes: ['../../../exports/extensions:/d']"), "X:1: deployment x: bind mount of service s needs exports/extensions, which the bundle does not have"},
		"bind out of the bundle": {one("volumes: ['../../../../data:/d']"),
			"X:1: deployment x: bind mount of service s is a relative path that leads out of the bundle; give an absolute path of the device"},
		"device of a volume": {app("x", "services: {s: {image: x, volumes: ['vv:/v']}}\nvolumes: {vv: {driver: local, driver_opts: {type: none, o: bind, device: ./data}}}"),
			"X:2: deployment x: device of volume vv needs P/packages/x/data" + missing + readOnly},

		"missing env file": {one("env_file: missing.env"),
			"X:1: deployment x: env file of service s needs P/packages/x/missing.env" + missing},
		"optional env file":    {one("env_file: [{path: missing.env, required: false}]"), ""},
		"env file of the host": {one("env_file: /etc/x.env"), ""},
		"env file":             {one("env_file: [x.env]") + "-- packages/x/x.env --\nA=b\n", ""},
		"broken env file": {one("env_file: [x.env]") + "-- packages/x/x.env --\nA B=c\n",
			"X:1: deployment x: env file of service s is invalid: P/packages/x/x.env: line 1: key cannot contain a space"},
		"relative device without a driver": {app("x", "services: {s: {image: x, volumes: ['vv:/v']}}\nvolumes: {vv: {driver_opts: {o: bind, device: ./data}}}"),
			"X:2: deployment x: device ./data of volume vv is a relative path, which needs driver: local"},
		"directory as env file": {one("env_file: [dir]") + "-- packages/x/dir/x --\n",
			"X:1: deployment x: env file of service s needs P/packages/x/dir, which is a directory, want a regular file"},

		"missing config": {app("x", "services: {s: {image: x, configs: [c]}}\nconfigs: {c: {file: ./missing.conf}}"),
			"X:2: deployment x: config c needs P/packages/x/missing.conf" + missing},
		"missing secret": {app("x", "services: {s: {image: x, secrets: [c]}}\nsecrets: {c: {file: ./missing}}"),
			"X:2: deployment x: secret c needs P/packages/x/missing" + missing},
		"unused config": {app("x", "services: {s: {image: x}}\nconfigs: {c: {file: ./missing.conf}}"), ""},
		"secret from the environment": {app("x", "services: {s: {image: x, secrets: [c]}}\nsecrets: {c: {environment: TOKEN}}"),
			"X:2: deployment x: secret c is from the variable TOKEN, and stages have no environment"},
		"external config": {app("x", "services: {s: {image: x, configs: [c]}}\nconfigs: {c: {external: true}}"),
			"X:2: deployment x: config c is external, which Docker supports in swarms only"},

		"image with an unset variable": {app("x", "services: {s: {image: 'x:${TAG}'}}"),
			`X:1: deployment x: image "x:" of service s is not an image reference: invalid reference format (variables in compose files of a pallet have no value)`},
		"image in upper case": {app("x", "services: {s: {image: UPPER/x:1}}"),
			`X:1: deployment x: image "UPPER/x:1" of service s is not an image reference: invalid reference format: ` +
				"repository name must be lowercase"},
		"app that has to be built": {app("x", "services: {s: {build: .}}"),
			"X:1: deployment x: service s has to be built, and devices build no images; build it elsewhere and give it an image"},
		"app that can be built":   {one("build: ."), ""},
		"service of a profile":    {app("x", "services: {s: {build: ., profiles: [debug]}, t: {image: x}}"), ""},
		"container name":          {one("container_name: cc") + app("y", "services: {s: {image: x, container_name: cc}}"), "Y:1: deployment y: deployment x has a container named cc, too"},
		"same port":               {one("ports: ['80:80']") + app("y", "services: {s: {image: x, ports: ['80:8080']}}"), "Y:1: deployment y: service s publishes port 80/tcp, as does service s of deployment x"},
		"same port, another kind": {one("ports: ['80:80']") + app("y", "services: {s: {image: x, ports: ['80:8080/udp']}}"), ""},
		"ports of addresses":      {one("ports: ['127.0.0.1:80:80']") + app("y", "services: {s: {image: x, ports: ['127.0.0.2:80:8080']}}"), ""},
		"port of all addresses": {one("ports: ['127.0.0.1:80:80']") + app("y", "services: {s: {image: x, ports: ['0.0.0.0:80:8080']}}"),
			"Y:1: deployment y: service s publishes port 80/tcp, as does service s of deployment x"},
		"port of two containers": {one("scale: 2, ports: ['80:80']"), "X:1: deployment x: service s has 2 containers, of which only one can publish port 80"},
		"ports chosen by Docker": {one("scale: 2, ports: ['80', '8000-8010:81']"), ""},

		"names of Compose": {"-- deployments/b/c.deploy.yml --\npackage: /packages/x\n-- deployments/b_c.deploy.yml --\npackage: /packages/x\n" + one("init: true"),
			"P/deployments/b_c.deploy.yml:1:1: deployments b/c and b_c have the same Compose project name, b_c; rename one of them"},
		"name in upper case": {strings.ReplaceAll(one("init: true"), "deployments/x", "deployments/X"),
			`P/deployments/X.deploy.yml:1:1: deployment X: read compose files of X: invalid project name "X": must consist only of ` +
				"lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number"},
	} {
		t.Run(name, func(t *testing.T) {
			mistakes, warnings := validated(t, write(t, sound, test.files))
			require.Equal(t, test.want, columns.ReplaceAllString(mistakes, "$1:"))
			if mistakes == "" {
				require.Empty(t, warnings)
			}
		})
	}
}

// TestValidatePositions has an app of two compose files: a mistake is in the last file that has the value.
func TestValidatePositions(t *testing.T) {
	dir := write(t, sound, app("x", "services:\n  s:\n    image: x\n    env_file: a\n  t: {image: y}"), `
-- packages/x/forklift-package.yml --
deployment: {compose-files: [compose.yml]}
features: {f: {compose-files: [more.yml]}}
-- packages/x/more.yml --
services:
  t:
    image: 'Y'
-- deployments/x.deploy.yml --
package: /packages/x
features: [f]
`)
	mistakes, _ := validated(t, dir)
	lines := strings.Split(mistakes, "\n")
	require.Len(t, lines, 2)
	require.True(t, strings.HasPrefix(lines[1], "X:4:15: deployment x: env file of service s needs "), lines[1])
	require.True(t, strings.HasPrefix(lines[0], `P/packages/x/more.yml:3:12: deployment x: image "Y" of service t `), lines[0])
}

// TestValidateCycle has two apps that require each other.
func TestValidateCycle(t *testing.T) {
	requires := func(name, network, other string) string {
		return app(name, "services: {s: {image: x}}") + "-- packages/" + name + "/forklift-package.yml --\ndeployment: " +
			"{compose-files: [compose.yml], provides: {networks: [{name: " + network + "}]}, requires: {networks: [{name: " + other + "}]}}\n"
	}
	mistakes, _ := validated(t, write(t, sound, requires("x", "m", "n"), requires("y", "n", "m")))
	require.Equal(t, "P/forklift-pallet.yml:1:1: dependency cycle between deployments: x waits for y waits for x; "+
		"make one of the requirements nonblocking", mistakes)
}

// TestValidateFiles has files that a bundle cannot have, in the pallet and among the exports.
func TestValidateFiles(t *testing.T) {
	dir := write(t, sound)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "packages/a/pipe"), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	mistakes, _ := validated(t, dir)
	const kinds = ": file is a named pipe; a bundle has regular files, directories and symlinks only"
	require.Equal(t, "read P/packages/a/pipe"+kinds+"\nread P/pipe"+kinds, mistakes)

	dir = write(t, sound)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "caf\xe9"), nil, 0o644))
	require.NoError(t, os.Symlink("\xff", filepath.Join(dir, "link")))
	mistakes, _ = validated(t, dir)
	require.Equal(t, "file \"pallet/caf\\xe9\": name is not UTF-8\nfile \"pallet/link\": link target \"\\xff\" is not UTF-8\n"+
		"file \"merged-pallet/caf\\xe9\": name is not UTF-8\nfile \"merged-pallet/link\": link target \"\\xff\" is not UTF-8", mistakes)

	dir = write(t, sound, exporting("source: etc", "target: overlays/etc"))
	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "packages/a/etc")))
	mistakes, _ = validated(t, dir)
	require.Equal(t, "path exports/overlays/etc is a symlink, want a directory", mistakes)

	dir = write(t, sound, exporting("source: missing", "target: x"), exporting("source-type: http", "url: https://example.org/x", "target: y"))
	mistakes, _ = validated(t, dir)
	require.Empty(t, mistakes, "downloads are not validated")
}

// TestValidateWarnings warns of apps that may not do what is meant.
func TestValidateWarnings(t *testing.T) {
	const home = "path ~/data is in the home directory of the user who runs pkctl, which is /root at boot; give an absolute path"
	const nothing = "X:1:12: deployment x: app has no service without a profile: there is nothing to start"
	for name, test := range map[string]struct {
		files string
		want  []string
	}{
		"bind of a home": {app("x", "services:\n  s:\n    image: x\n    volumes:\n      - ~/data:/d\n"), []string{"X:5:9: deployment x: " + home}},
		"long bind of a home": {app("x", "services:\n  s:\n    image: x\n    volumes: [{type: bind, source: ~/data, target: /d}]\n"),
			[]string{"X:4:36: deployment x: " + home}},
		"command with a home":          {app("x", "services:\n  s: {image: x, command: [ls, ~/data], entrypoint: ~/x}\n"), nil},
		"no service without a profile": {app("x", "services: {s: {image: x, profiles: [debug]}}"), []string{nothing}},
		"no services":                  {app("x", "services: {}\nvolumes: {v: {}}"), []string{"X:1:11: deployment x: app has no service without a profile: there is nothing to start"}},
	} {
		t.Run(name, func(t *testing.T) {
			mistakes, warnings := validated(t, write(t, sound, test.files))
			require.Empty(t, mistakes)
			require.Equal(t, test.want, warnings)
		})
	}
}

// TestValidateExternal warns of networks and volumes that may not exist when an app starts.
func TestValidateExternal(t *testing.T) {
	creates := app("y", "services: {s: {image: x, networks: [n], volumes: ['vv:/v']}}\nnetworks: {n: {name: net}}\nvolumes: {vv: {name: vol}}")
	uses := app("x", "services: {s: {image: x, networks: [net], volumes: ['vol:/v']}}\nnetworks: {net: {external: true}}\nvolumes: {vol: {external: true}}")
	declares := func(name, text string) string {
		return "-- packages/" + name + "/forklift-package.yml --\ndeployment: {compose-files: [compose.yml], " + text + ": {networks: [{name: net}]}}\n"
	}
	for name, test := range map[string]struct {
		files string
		want  []string
	}{
		"created by nobody": {uses, []string{
			"X:2:18: deployment x: network net is external, and no app of the pallet creates it",
			"X:3:17: deployment x: volume vol is external, and no app of the pallet creates it"}},
		"created at any time": {uses + creates, []string{
			"X:2:18: deployment x: network net is created by deployment y, which may start later; require a resource of it",
			"X:3:17: deployment x: volume vol is created by deployment y, which may start later; require a resource of it"}},
		"created before": {uses + creates + declares("x", "requires") + declares("y", "provides"), nil},
		"created by two": {creates + strings.ReplaceAll(creates, "/y", "/x") + "-- deployments/x.deploy.yml --\npackage: /packages/x\n", []string{
			"Y:2:16: deployment y: network net is created by deployment x, too; make it external here",
			"Y:3:16: deployment y: volume vol is created by deployment x, too; make it external here"}},
		"Docker's own": {app("x", "services: {s: {image: x, networks: [default]}, t: {image: x, network_mode: host}}\n"+
			"networks: {default: {name: host, external: true}, unused: {external: true}}"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			mistakes, warnings := validated(t, write(t, sound, test.files))
			require.Empty(t, mistakes)
			require.Equal(t, test.want, warnings)
		})
	}
}

// TestValidateBundle validates a bundle as its pallet: mistakes that depend on the device's files are found in both.
func TestValidateBundle(t *testing.T) {
	dir := write(t, sound, app("x", "services: {s: {image: x, volumes: ['./data:/d', '../a/overlays:/o'], env_file: x.env}}"),
		"-- packages/x/x.env --\nA=b\n-- packages/x/data/file --\n")
	staged := filepath.Join(t.TempDir(), "1")
	require.NoError(t, bundleOf(t, dir, Options{}).Write(t.Context(), staged))
	_, p, err := ReadBundle(t.Context(), staged)
	require.NoError(t, err)
	v := p.Validate(t.Context())
	require.NoError(t, v.Err())
	require.Empty(t, v.Warnings)

	require.NoError(t, os.RemoveAll(filepath.Join(staged, "packages/packages/x/data")))
	v = p.Validate(t.Context())
	require.Len(t, v.Broken["x"], 1)
	require.ErrorContains(t, v.Err(), "needs "+staged+"/packages/packages/x/data, which does not exist")
}
