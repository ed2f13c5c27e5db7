package initsteps_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/internal/powercut"
)

// write makes files, and the directories that they lie in.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

// mountTable is what is mounted, without the numbers that every mount gets anew.
func mountTable(t *testing.T) []string {
	t.Helper()
	infos, err := initsteps.Linux{}.MountInfo()
	require.NoError(t, err)
	table := []string{}
	for _, i := range infos {
		table = append(table, strings.Join([]string{i.Mountpoint, i.Root, i.FSType, i.Source, i.Options, i.Optional, i.VFSOptions}, " "))
	}
	return table
}

func mountedOn(t *testing.T, target string) *mountinfo.Info {
	t.Helper()
	infos, err := initsteps.Linux{}.MountInfo()
	require.NoError(t, err)
	for _, i := range infos {
		if i.Mountpoint == target {
			return i
		}
	}
	t.Fatalf("nothing is mounted on %s", target)
	return nil
}

// A reset or a queue that is done does not come back with a power cut.
func TestRemoveAllSurvivesPowerCut(t *testing.T) {
	powercut.After(t,
		func(dir string) {
			write(t, dir, map[string]string{"reset.json": "{}", "overrides/etc/motd": "mine", "overrides/etc/hosts": "mine"})
		},
		func(dir string) {
			for _, name := range []string{"reset.json", "overrides/etc/motd", "absent", "absent/below"} {
				require.NoError(t, initsteps.Linux{}.RemoveAll(dir, name))
			}
		},
		func(dir string) {
			require.NoFileExists(t, filepath.Join(dir, "reset.json"))
			require.NoFileExists(t, filepath.Join(dir, "overrides/etc/motd"))
			require.FileExists(t, filepath.Join(dir, "overrides/etc/hosts"))
		})
}
