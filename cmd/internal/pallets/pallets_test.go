package pallets_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/pallets"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

// run runs a command of the group in a directory with two pallets: mine, and conflict, whose deployments want the same.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd, _ := pallets.Command("pkbuild")
	var out, errs bytes.Buffer
	code = cli.Run(t.Context(), cmd, args, &out, &errs)
	return code, out.String(), errs.String()
}

func workDir(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("PKCTL_CACHE", filepath.Join(dir, "cache"))
	const banner = "package: {description: a banner}\n" +
		"deployment: {provides: {file-exports: [{target: overlays/etc/motd, source: motd}]}}\n" +
		"features: {loud: {description: in capitals}}\n"
	for name, text := range map[string]string{
		"mine/forklift-pallet.yml":                      "forklift-version: v0.8.0\npallet: {path: example.org/mine, description: My pallet}\n",
		"mine/deployments/banner.deploy.yml":            "package: /packages/banner\nfeatures: [loud]\n",
		"mine/deployments/net.deploy.yml":               "package: /packages/net\n",
		"mine/deployments/web.deploy.yml":               "package: /packages/web\n",
		"mine/deployments/off.deploy.yml":               "package: /packages/web\ndisabled: true\n",
		"mine/packages/banner/forklift-package.yml":     banner,
		"mine/packages/banner/motd":                     "hello\n",
		"mine/packages/net/forklift-package.yml":        "deployment: {compose-files: [compose.yml], provides: {networks: [{name: net}]}}\n",
		"mine/packages/net/compose.yml":                 "services: {main: {image: \"a:1\"}}\n",
		"mine/packages/web/forklift-package.yml":        "deployment: {compose-files: [compose.yml], requires: {networks: [{name: net}]}}\n",
		"mine/packages/web/compose.yml":                 "services: {main: {image: \"b:1\"}}\n",
		"conflict/forklift-pallet.yml":                  "forklift-version: v0.8.0\npallet: {path: example.org/conflict}\n",
		"conflict/deployments/a.deploy.yml":             "package: /packages/banner\n",
		"conflict/deployments/b.deploy.yml":             "package: /packages/banner\n",
		"conflict/packages/banner/forklift-package.yml": banner,
		"conflict/packages/banner/motd":                 "hello\n",
		"empty/x":                                       "",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
}

func TestCommands(t *testing.T) {
	for call, c := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"check":               {[]string{"check", "-C", "mine"}, 0, "pallet example.org/mine can be deployed: 4 deployments\n", ""},
		"plan":                {[]string{"plan", "-C", "mine"}, 0, "net after nothing\nweb after net\n", ""},
		"plan of conflicts":   {[]string{"plan", "-C", "conflict"}, 1, "", ""},
		"list":                {[]string{"ls-img", "-C", "mine"}, 0, "a:1\nb:1\n", ""},
		"list nothing":        {[]string{"ls-plt", "-C", "mine", "--json"}, 0, "[]\n", ""},
		"show deployment":     {[]string{"show-depl", "-C", "mine", "banner"}, 0, "banner  /packages/banner [loud]\na banner\n* loud  in capitals\n", ""},
		"show pallet":         {[]string{"show", "-C", "mine"}, 0, "pallet       example.org/mine\ndescription  My pallet\n\nbanner  /packages/banner [loud]\nnet  /packages/net\noff (disabled)\nweb  /packages/web\n", ""},
		"locate":              {[]string{"locate-file", "-C", "mine", "/packages/banner/motd"}, 0, "mine/packages/banner/motd\n", ""},
		"unknown file":        {[]string{"locate-file", "-C", "mine", "x"}, 1, "", "pallet: pallet example.org/mine has no file x\n"},
		"unknown deployment":  {[]string{"show-depl", "-C", "mine", "x"}, 1, "", "pallet: pallet example.org/mine has no deployment \"x\"; list them with pkbuild pallet ls-depl\n"},
		"unknown requirement": {[]string{"del-repo", "-C", "mine", "example.org/x"}, 1, "", "pallet: pallet mine does not require example.org/x: it requires nothing\n"},
		"no pallet":           {[]string{"check", "-C", "empty"}, 1, "", "pallet: empty has no forklift-pallet.yml: name the directory of a pallet with --pallet, or make one with pkbuild pallet init\n"},
		"no name":             {[]string{"init", "-C", "new"}, 2, "", "pallet: usage: --as is missing: the pallet's name, such as github.com/me/mine\nRun 'pallet init --help' for usage.\n"},
		"wrong mirror":        {[]string{"add-plt", "-C", "mine", "--mirror", "x", "example.org/x@main"}, 2, "", ""},
		"init":                {[]string{"init", "-C", "new", "--as", "example.org/new"}, 0, "created pallet example.org/new in new\n", ""},
		"bundle":              {[]string{"bundle", "-C", "mine", "out"}, 0, "", ""},
	} {
		t.Run(call, func(t *testing.T) {
			workDir(t)
			code, stdout, stderr := run(t, c.args...)
			require.Equal(t, c.code, code, stderr)
			if c.stdout != "" {
				require.Equal(t, c.stdout, stdout)
			}
			if c.stderr != "" {
				require.Equal(t, c.stderr, stderr)
			}
		})
	}
}

// A check with conflicts fails, with --json too.
func TestCheckConflict(t *testing.T) {
	workDir(t)
	code, _, stderr := run(t, "check", "-C", "conflict")
	require.Equal(t, cli.Failed, code)
	require.Contains(t, stderr, "file-export overlays/etc/motd")
	code, stdout, stderr := run(t, "check", "-C", "conflict", "--json")
	require.Equal(t, cli.Failed, code)
	require.Empty(t, stderr)
	var result struct{ Conflicts, Missing, Warnings, Notes []string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &result))
	require.Len(t, result.Conflicts, 1)
	require.NotNil(t, result.Missing)
	require.NotNil(t, result.Warnings)
	require.NotNil(t, result.Notes)
}

// A deployment with which the pallet cannot be read is removed again, unless it is forced.
func TestAddDeploymentUndo(t *testing.T) {
	workDir(t)
	code, _, stderr := run(t, "add-depl", "-C", "mine", "new", "/packages/nowhere")
	require.Equal(t, cli.Failed, code)
	require.Contains(t, stderr, "/packages/nowhere does not exist")
	require.NoFileExists(t, "mine/deployments/new.deploy.yml")
	code, _, stderr = run(t, "add-depl", "-C", "mine", "new", "/packages/nowhere", "--force")
	require.Equal(t, cli.Done, code, stderr)
	require.FileExists(t, "mine/deployments/new.deploy.yml")
	code, _, stderr = run(t, "add-depl", "-C", "mine", "new", "/packages/banner")
	require.Equal(t, cli.Failed, code)
	require.Contains(t, stderr, "new")
}

func TestDescribeVersion(t *testing.T) {
	for want, s := range map[string]source.State{
		" (not committed)": {}, " v1 (changed)": {Version: "v1"}, " v1": {Version: "v1", Clean: true},
	} {
		require.Equal(t, want, pallets.DescribeVersion(s))
	}
}

// A requirement is removed with its lock; another one is answered with those that there are.
func TestRemoveRequirement(t *testing.T) {
	workDir(t)
	lock := "mine/requirements/pallets/example.org/base/forklift-version-lock.yml"
	require.NoError(t, os.MkdirAll(filepath.Dir(lock), 0o755))
	require.NoError(t, os.WriteFile(lock, nil, 0o644))
	code, _, stderr := run(t, "del-plt", "-C", "mine", "example.org/other")
	require.Equal(t, cli.Failed, code)
	require.Equal(t, "pallet: pallet mine does not require example.org/other: it requires example.org/base\n", stderr)
	code, stdout, _ := run(t, "del-plt", "-C", "mine", "example.org/base", "--json")
	require.Equal(t, cli.Done, code)
	require.JSONEq(t, `{"path": "example.org/base"}`, stdout)
	require.NoFileExists(t, lock)
}
