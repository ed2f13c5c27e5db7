package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// unitFiles is what the image gets beside the program.
const unitFiles = "../../recipes/files/pkinit"

// unitDir is where the units lie in a root file system.
const unitDir = "usr/lib/systemd/system"

// Every service runs a step that exists, every step that mounts has a service of its name, and what enables them
// leads to a unit.
func TestUnitsRunSteps(t *testing.T) {
	inService := map[string]string{}
	files, err := filepath.Glob(filepath.Join(unitFiles, unitDir, "*.service"))
	require.NoError(t, err)
	exec := regexp.MustCompile(`(?m)^ExecStart(?:Pre)?=-?/usr/lib/pkinit/pkinit step (\S+)$`)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		steps := exec.FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, steps, f)
		for _, s := range steps {
			inService[s[1]] = filepath.Base(f)
		}
	}
	want := map[string]string{"verify": "start-overlaid-units.service", "mark-unusable": "start-overlaid-units.service", "make-reserve": "start-overlaid-units.service",
		"read-request": "overlay-sysroot.service", "answer-request": "start-overlaid-units.service",
		"revert-overrides": "overlay-sysroot.service",
		"reset":            "overlay-sysroot.service"}
	for _, transaction := range initsteps.Transactions() {
		for _, s := range transaction {
			switch s.(type) {
			case initsteps.SelectStage, initsteps.SetAside, initsteps.MarkUnusable, initsteps.MakeReserve, initsteps.ReadRequest, initsteps.Answer, initsteps.Verify, initsteps.RevertOverrides, initsteps.Reset: // part of others
			case initsteps.GrowPartition, initsteps.GrowFileSystem, initsteps.MakeIdentity: // not for an initramfs that is not ours
			case initsteps.BindHome:
				want["bind-.local-share-forklift-stages@%i"] = "bind-.local-share-forklift-stages@.service"
			default:
				want[s.String()] = s.String() + ".service"
			}
		}
	}
	require.Equal(t, want, inService)

	links, err := filepath.Glob(filepath.Join(unitFiles, unitDir, "*.wants", "*"))
	require.NoError(t, err)
	require.Len(t, links, len(files), "each service is enabled once")
	for _, l := range links {
		require.FileExists(t, l, "the link leads to a unit")
	}
}

// systemd has nothing to say against the units where they lie among its own.
func TestUnitsVerify(t *testing.T) {
	root := t.TempDir()
	needs.Program(t, "systemd-analyze")
	require.NoError(t, os.CopyFS(filepath.Join(root, unitDir), os.DirFS("/"+unitDir)))
	require.NoError(t, os.CopyFS(root, os.DirFS(unitFiles)))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "usr/lib/pkinit"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "usr/lib/pkinit/pkinit"), nil, 0o755))
	args := []string{"verify", "--man=no", "--root=" + root, "bind-.local-share-forklift-stages@home-pi.service"}
	for _, kind := range []string{"*.target", "*[^@].service"} {
		units, err := filepath.Glob(filepath.Join(unitFiles, unitDir, kind))
		require.NoError(t, err)
		for _, u := range units {
			args = append(args, filepath.Base(u))
		}
	}
	require.Len(t, args, 4+6)
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}
