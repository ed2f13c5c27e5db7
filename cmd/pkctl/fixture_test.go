package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PlanktoScope/pkbuild/layers/bootset"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// run runs pkctl in this process.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Run(t.Context(), root(), args, &out, &err)
	return code, out.String(), err.String()
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o755))
	}
}

const (
	manifest = "forklift-version: v0.8.0-alpha.6\npallet: {path: example.org/base, version: v1.0.0, clean: true}\n"
	palletIn = "forklift-version: v0.8.0\npallet: {path: example.org/%s}\n"
)

// scene is a directory with a device, a pallet, and a Git repository of a pallet. It is the working directory.
func scene(t *testing.T) (dir string) {
	needs.Program(t, "git")
	dir = t.TempDir()
	t.Chdir(dir)
	put(t, dir, map[string]string{
		"store/forklift-stage-store.yml": "forklift-version: v0.7.0\nstaged: {next: 3, history: [1, 2], names: {factory-reset: 1, mine: 4}}\n",
		"store/pallet-upgrades.yml":      "path: example.org/base\nversion-query: main\n",
		"store/1/forklift-bundle.yml":    manifest, "store/2/forklift-bundle.yml": manifest,
		"store/3/forklift-bundle.yml": manifest, "store/4/forklift-bundle.yml": manifest, "store/5/forklift-bundle.yml": manifest,
		"store/3/digests.json": "{\"version\": 1, \"entries\": []}", "state/.keep": "",
		"boot.json": `{"version": 1, "choice": {"stage": 2, "reason": "stage 2 is next and proven"},
			"overlays": [{"target": "/etc", "lowerdirs": ["stage", "base"], "upperdir": "upper"}]}`,
		"stage/motd": "stage\n", "base/hosts": "image\n", "upper/motd": "user\n", "upper/hosts": "user\n",
		"git/base/forklift-pallet.yml":               fmt.Sprintf(palletIn, "base"),
		"mine/forklift-pallet.yml":                   fmt.Sprintf(palletIn, "mine"),
		"mine/deployments/banner.deploy.yml":         "package: /packages/banner\nfeatures: [loud]\n",
		"mine/deployments/app.deploy.yml":            "package: /packages/app\n",
		"mine/packages/banner/forklift-package.yml":  "package: {description: a banner}\nfeatures: {loud: {description: in capitals}}\n",
		"mine/packages/app/forklift-package.yml":     "deployment: {compose-files: [compose.yml]}\n",
		"mine/packages/app/compose.yml":              "services: {main: {image: \"caddy:2\"}}\n",
		"mine/packages/another/forklift-package.yml": "package: {description: another}\n",
		"bin/docker":    "#!/bin/sh\ncase \"$1\" in ps) ;; *) echo 'Cannot connect to the Docker daemon' >&2; exit 1 ;; esac\n",
		"bin/systemctl": "#!/bin/sh\ncase \"$*\" in show*) printf 'Result=success\\nId=x.service\\nLoadState=loaded\\nActiveState=active\\n' ;; esac\n",
	})
	putBootSets(t, dir)
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("PKCTL_CACHE", filepath.Join(dir, "cache"))
	t.Setenv("PKCTL_MIRRORS", "example.org/=file://"+dir+"/git/")
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"add", "."},
		{"-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "first"}, {"tag", "v1.1.0"},
	} {
		out, err := exec.Command("git", append([]string{"-C", "git/base"}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return dir
}

// flagsOf are those flags of a command that lead it to the device of a scene.
func flagsOf(c *cobra.Command) (args []string) {
	for flag, value := range map[string]string{
		"store": "store", "state": "state", "boot-report": "boot.json", "apply-report": "run/apply.json", "bundle": "store/2",
		"checks": "none",
	} {
		if c.Flag(flag) != nil {
			args = append(args, "--"+flag, value)
		}
	}
	return args
}

// leaves are the commands that consist of no others, with their paths without the program's name.
func leaves(c *cobra.Command, yield func(path string, c *cobra.Command)) {
	for _, sub := range c.Commands() {
		leaves(sub, yield)
	}
	if !c.HasSubCommands() {
		yield(strings.TrimPrefix(c.CommandPath(), "pkctl "), c)
	}
}

// putBootSets makes a boot partition with two boot sets, of which the second is selected, and a kernel that is installed.
func putBootSets(t *testing.T, dir string) {
	var archive bytes.Buffer
	require.NoError(t, cpio.WriteRecordsAndDirs(cpio.Newc.Writer(&archive), []cpio.Record{cpio.StaticFile("etc/pkinit/wanted", "ext4\n", 0o644)}))
	config, err := bootset.FormatConfig(1, nil)
	require.NoError(t, err)
	put(t, dir, map[string]string{"bootpart/config.txt": string(config)})
	store := bootset.Store{Files: bootset.Dir(filepath.Join(dir, "bootpart"))}
	for range 2 {
		n, err := store.Add("6.12", map[string]bootset.Content{
			bootset.Kernel: bootset.Bytes([]byte("kernel")), bootset.Initramfs: bootset.Bytes(archive.Bytes()), bootset.Cmdline: bootset.Bytes([]byte("root=A\n")),
		})
		require.NoError(t, err)
		require.NoError(t, store.Select(n))
	}
	modules := "root/usr/lib/modules/7.3/"
	put(t, dir, map[string]string{
		modules + "vmlinuz": "kernel", modules + "modules.dep": "kernel/ext4.ko:\n", modules + "modules.builtin": "", modules + "modules.softdep": "",
		modules + "modules.alias": "", modules + "kernel/ext4.ko": "ext4",
	})
}
