package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// unitFiles is the directory of the files that an image gets beside the program.
const unitFiles = "../../recipes/files/pkctl"

// unitDir is the directory of units in a root file system.
const unitDir = "usr/lib/systemd/system"

// Every service runs an existing command with options that it has, and is enabled by a link.
func TestUnitsRunCommands(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(unitFiles, unitDir, "*.service"))
	require.NoError(t, err)
	require.Len(t, files, 6)
	exec := regexp.MustCompile(`(?m)^ExecStart=-?/usr/bin/pkctl (.+)$`)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		line := exec.FindStringSubmatch(string(text))
		require.NotNil(t, line, f)
		requireCommand(t, line[1])
		name := filepath.Base(f)
		if _, err := os.Stat(strings.TrimSuffix(f, ".service") + ".timer"); err == nil {
			name = strings.TrimSuffix(name, ".service") + ".timer"
		}
		links, err := filepath.Glob(filepath.Join(unitFiles, unitDir, "*.wants", name))
		require.NoError(t, err)
		require.NotEmpty(t, links, "%s is not enabled", name)
		for _, link := range links {
			require.FileExists(t, link, "the link leads to a unit")
		}
	}
	text, err := os.ReadFile(filepath.Join(unitFiles, "etc/update-motd.d/50-pkctl"))
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^pkctl (.+?) 2>`).FindStringSubmatch(string(text))
	require.NotNil(t, line)
	requireCommand(t, line[1])
}

func requireCommand(t *testing.T, line string) {
	cmd, rest, err := root().Find(strings.Fields(line))
	require.NoError(t, err, line)
	require.NoError(t, cmd.ParseFlags(rest), line)
	require.Empty(t, cmd.Flags().Args(), line)
	require.NotNil(t, cmd.RunE)
	require.NotErrorIs(t, cmd.Args(cmd, nil), cli.ErrUsage)
}

// systemd-analyze verify accepts the units.
func TestUnitsVerify(t *testing.T) {
	needs.Program(t, "systemd-analyze")
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, unitDir), os.DirFS("/"+unitDir)))
	require.NoError(t, os.CopyFS(dir, os.DirFS(unitFiles)))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "usr/bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "usr/bin/pkctl"), nil, 0o755))
	cmd := exec.Command("systemd-analyze", "verify", "--man=no", "--root="+dir,
		"pkctl-apply.service", "pkctl-override-scan.service", "boot-complete.target", "multi-user.target")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotRegexp(t, `pkctl|boot-complete`, string(out))
}

// Nothing that takes long on a first boot may hold up multi-user.target, which the verdict waits for. A target is ordered
// after the units that it wants unless they have no default dependencies: systemd.target(5).
func TestUnitsInTheBackground(t *testing.T) {
	for _, name := range []string{
		filepath.Join(unitFiles, unitDir, "pkctl-override-scan.service"),
		filepath.Join("../../recipes/files/base", unitDir, "ssh.service.d/10-background.conf"),
	} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, line := range []string{
			"DefaultDependencies=no", "Requires=sysinit.target", "After=sysinit.target basic.target", "Conflicts=shutdown.target",
			"Before=shutdown.target",
		} {
			require.Contains(t, strings.Split(string(text), "\n"), line, name)
		}
	}
}

// The logs of containers and of services have limits.
func TestLogLimits(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(unitFiles, "etc/docker/daemon.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"log-driver": "local", "log-opts": {"max-size": "10m", "max-file": "3"}}`, string(text))
	text, err = os.ReadFile(filepath.Join(unitFiles, "usr/lib/systemd/journald.conf.d/10-pkctl-limits.conf"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^SystemMaxUse=200M$`, string(text))
	text, err = os.ReadFile("../../recipes/include/planktoscope.yml")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^ +log_dest stderr$`, string(text))
	require.NotRegexp(t, `log_dest +file`, string(text))
}
