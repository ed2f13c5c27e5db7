package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// calls are arguments with which each command succeeds in a scene; several are separated by " | " and run one after
// another. A command that ends with another exit code than 0 says so in codes.
var calls = map[string]string{
	"status": "", "version": "", "man": "man",
	"boot ls": "--boot-dir bootpart", "boot verify": "--boot-dir bootpart | 1 --boot-dir bootpart",
	"boot set-next": "1 --boot-dir bootpart --lock lock", "boot rollback": "--boot-dir bootpart --lock lock",
	"boot prune": "--boot-dir bootpart --lock lock", "boot confirm": "--boot-dir bootpart --lock lock",
	"boot add": "7.3 --boot-dir bootpart --lock lock --root root",
	"stage ls": "", "stage show": "2", "stage verify": "3", "stage set-next": "4 | none", "stage rollback": "",
	"stage result": " | --stage 3 | failed --stage 3", "stage name": "x 2", "stage unname": "mine", "stage rm": "5",
	"stage prune": "--dry-run | ", "stage link-images": "", "stage scrub": "", "stage apply": "", "stage end-boot": " | --emergency", "stage export": "x.tar 2 --no-space-check",
	"stage import": "x.tar --next", "stage inventory": " | -o inventory.json",
	"override ls": " | --hiding", "override diff": "/etc/motd", "override why": "/etc/motd | /etc/hosts", "override keep": "/etc/motd",
	"override revert": "/etc/motd | --all | --cancel", "override scan": "", "override check": "",
	"reset":         "--overrides | --cancel | --cancel",
	"pallet check":  "-C mine | -C mine --lint",
	"pallet plan":   "-C mine",
	"pallet show":   "-C mine | -C git/base",
	"pallet bundle": "-C mine bundle", "pallet init": "-C new --as example.org/new | -C based --as example.org/based --from example.org/base@main",
	"pallet sum": "-C mine", "pallet ls-depl": "-C mine | -C git/base", "pallet ls-feat": "-C mine", "pallet ls-pkg": "-C mine",
	"pallet ls-file": "-C mine", "pallet ls-dl": "-C mine", "pallet ls-img": "-C mine", "pallet ls-plt": "-C mine",
	"pallet ls-repo": "-C mine", "pallet show-depl": "-C mine banner | -C mine app",
	"pallet locate-file": "-C mine packages/app/compose.yml", "pallet add-depl": "-C mine new /packages/banner",
	"pallet enable-depl": "-C mine banner", "pallet disable-depl": "-C mine banner",
	"pallet set-depl-pkg": "-C mine banner /packages/another", "pallet add-depl-feat": "-C mine banner loud",
	"pallet del-depl-feat": "-C mine banner loud", "pallet del-depl": "-C mine banner",
	"pallet add-plt": "-C mine example.org/base@main", "pallet del-plt": "-C mine example.org/base",
	"pallet add-repo": "-C mine example.org/base@main", "pallet del-repo": "-C mine example.org/base",
	"pallet stage": "-C git/base", "pallet switch": "example.org/base@main", "pallet upgrade": "--check | | --check",
}

// before are calls that have to come before those of a command.
var before = map[string][]string{
	"stage import":   {"stage", "export", "x.tar", "2", "--store", "store", "--no-space-check"},
	"pallet del-plt": {"pallet", "add-plt", "-C", "mine", "example.org/base@main"}, "pallet del-repo": {"pallet", "add-repo", "-C", "mine", "example.org/base@main"},
}

// codes are the exit codes of calls that are not 0.
var codes = map[string]int{"pallet upgrade --check": 3, "stage verify 3": 1, "stage scrub": 1}

// Every command has --json and prints JSON with it, in which no list is null; and without it, it prints no JSON.
func TestEveryCommandPrintsJSON(t *testing.T) {
	known := map[string]bool{}
	leaves(root(), func(path string, c *cobra.Command) {
		known[path] = true
		all, listed := calls[path]
		require.True(t, listed, "pkctl %s has no row in the table calls", path)
		require.NotNil(t, c.Flag("json"), "pkctl %s has no --json", path)
		t.Run(path, func(t *testing.T) {
			scene(t)
			if args := before[path]; args != nil {
				code, _, stderr := run(t, args...)
				require.Zero(t, code, stderr)
			}
			for n, call := range strings.Split(all, "|") {
				args := append(strings.Fields(path), strings.Fields(call)...)
				want := codes[strings.Join(args, " ")]
				if path == "pallet upgrade" && n == 2 {
					want = 0 // it is staged by now
				}
				code, stdout, stderr := run(t, append(append(args, flagsOf(c)...), "--json")...)
				require.Equal(t, want, code, "pkctl %s: %s", strings.Join(args, " "), stderr)
				var v any
				require.NoError(t, json.Unmarshal([]byte(stdout), &v), "pkctl %s: %q", strings.Join(args, " "), stdout)
				requireNoNull(t, "pkctl "+strings.Join(args, " "), v)
			}
		})
	})
	for path := range calls {
		require.True(t, known[path], "no command is called %s", path)
	}
}

func requireNoNull(t *testing.T, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			requireNoNull(t, where+": "+key, value)
		}
	case []any:
		for i, value := range v {
			requireNoNull(t, fmt.Sprintf("%s[%d]", where, i), value)
		}
	case nil:
		t.Errorf("%s is null", where)
	}
}
