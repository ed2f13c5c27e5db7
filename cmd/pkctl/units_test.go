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
