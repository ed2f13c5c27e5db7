package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// damages are what can be wrong with a store or the state directory, with what every command says of it that fails.
var damages = map[string]struct {
	do      func(t *testing.T, dir string)
	in      string // program that runs the command with less rights than the test has; "" for none
	message string
}{
	"missing": {func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) }, "", "no such file or directory"},
	"empty": {func(t *testing.T, dir string) {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.Mkdir(dir, 0o755))
	}, "", ""},
	"a file": {func(t *testing.T, dir string) {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.WriteFile(dir, nil, 0o644))
	}, "", "not a directory"},
	"damaged": {func(t *testing.T, dir string) {
		for _, name := range []string{"forklift-stage-store.yml", "pallet-upgrades.yml", "images.json", "ledger.json", "revert.json", "reset.json",
			"2/forklift-bundle.yml", "3/forklift-bundle.yml"} {
			if _, err := os.Stat(filepath.Dir(filepath.Join(dir, name))); err == nil {
				put(t, dir, map[string]string{name: "[{"})
			}
		}
	}, "", ""},
	"unreadable": {func(t *testing.T, dir string) {
		require.NoError(t, os.Chmod(dir, 0))
		t.Cleanup(func() { require.NoError(t, os.Chmod(dir, 0o755)) })
	}, "setpriv --inh-caps=-all --bounding-set=-all", "permission denied"},
	"read-only": {func(*testing.T, string) {}, "unshare --mount sh -euc", "read-only file system"},
}

// systemCall is what no message may begin with, or have in place of words.
var systemCall = regexp.MustCompile(`(^|: )(open|openat|stat|statat|lstat|lstatat|unlinkat|removeat|renameat|mkdirat|readlink|read|flock) [^:]*: (no such file|not a directory|permission denied|read-only|file does not exist)`)

// Every command says in words what is wrong with the store or the state directory, and which directory it is.
func TestEveryCommandExplainsDamage(t *testing.T) {
	for what, damage := range damages {
		for _, of := range []string{"store", "state"} {
			t.Run(what+" "+of, func(t *testing.T) {
				if damage.in != "" {
					needs.Root(t)
					needs.Program(t, strings.Fields(damage.in)[0])
				}
				leaves(root(), func(path string, c *cobra.Command) {
					if c.Flag(of) == nil || path == "stage apply" && of == "store" {
						return // apply reads the bundle from elsewhere
					}
					t.Run(path, func(t *testing.T) { requireWords(t, damage.in, damage.message, of, path, c, damage.do) })
				})
			})
		}
	}
}

func requireWords(t *testing.T, in, message, of, path string, c *cobra.Command, do func(*testing.T, string)) {
	dir := scene(t)
	if args := before[path]; args != nil {
		code, _, stderr := run(t, args...)
		require.Zero(t, code, stderr)
	}
	do(t, filepath.Join(dir, of))
	for _, call := range strings.Split(calls[path], "|") {
		args := append(append(strings.Fields(path), strings.Fields(call)...), flagsOf(c)...)
		code, stdout, stderr := 0, "", ""
		if in == "" {
			code, stdout, stderr = run(t, args...)
		} else {
			code, stdout, stderr = runIn(t, in, filepath.Join(dir, of), args)
		}
		line := "pkctl " + strings.Join(args, " ") + ": " + stdout + stderr
		t.Log(code, line)
		require.NotRegexp(t, systemCall, stderr, line)
		require.NotRegexp(t, systemCall, stdout, line)
		require.NotContains(t, stderr, "panic", line)
		if code != 0 && message != "" && strings.HasPrefix(stderr, "pkctl: ") {
			require.Contains(t, stderr, map[string]string{"store": "stage store ", "state": "state directory "}[of], line)
			require.Contains(t, stderr, message, line)
		}
	}
}

// runIn runs pkctl as a process of another program.
func runIn(t *testing.T, in, dir string, args []string) (code int, stdout, stderr string) {
	command := append(strings.Fields(in), "pkctl")
	if strings.HasPrefix(in, "unshare") {
		command = append(strings.Fields(in), `mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"; exec pkctl "$@"`, dir)
	}
	command = append(command, args...)
	cmd := exec.Command(command[0], command[1:]...)
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run() // the exit code says it
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}
