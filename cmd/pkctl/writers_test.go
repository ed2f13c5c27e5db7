package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// writers is how many processes change a file at the same time.
const writers = 50

// Of processes that queue a revert each at the same time, while a unit scans, none loses what another one queued.
func TestConcurrentReverts(t *testing.T) {
	dir := t.TempDir()
	upper, state := filepath.Join(dir, "upper"), filepath.Join(dir, "state")
	require.NoError(t, os.MkdirAll(upper, 0o755))
	require.NoError(t, os.Mkdir(state, 0o755))
	boot := fmt.Sprintf(`{"version": 1, "choice": {"stage": 1}, "overlays": [{"target": "/etc", "lowerdirs": [%q], "upperdir": %q}]}`,
		t.TempDir(), upper)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "boot.json"), []byte(boot), 0o644))
	var want []string
	var all []*exec.Cmd
	for n := range writers {
		name := fmt.Sprintf("file%02d", n)
		require.NoError(t, os.WriteFile(filepath.Join(upper, name), nil, 0o644))
		want = append(want, "/etc/"+name)
		all = append(all, exec.Command("pkctl", "override", "revert", "/etc/"+name, "--boot-report", dir+"/boot.json", "--state", state))
	}
	for range 5 {
		all = append(all, exec.Command("pkctl", "override", "scan", "--boot-report", dir+"/boot.json", "--state", state))
	}
	for _, cmd := range all {
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
	}
	for _, cmd := range all {
		require.NoError(t, cmd.Wait(), "%s", cmd)
	}
	data, err := os.ReadFile(filepath.Join(state, override.QueueFile))
	require.NoError(t, err)
	queue, err := override.ParseQueue(data)
	require.NoError(t, err)
	slices.Sort(queue)
	require.Equal(t, want, []string(queue))
	data, err = os.ReadFile(filepath.Join(state, override.LedgerFile))
	require.NoError(t, err)
	ledger, err := override.ParseLedger(data)
	require.NoError(t, err)
	require.Len(t, ledger, writers)
}
