package initsteps_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// hanging is a device whose boots of the proven stage 2 end without a verdict since its owner edited etc/fstab.
func hanging(boots int) map[string]string {
	files := owned()
	files["var/lib/forklift/stages/forklift-stage-store.yml"] = "staged: {next: 2, history: [1, 2], names: {factory-reset: 1}}\n"
	files["var/lib/forklift/stages/boot-state.json"] = fmt.Sprintf(
		`{"version": 1, "stages": {"1": {"result": "good"}, "2": {"result": "good", "attempts": %d}}}`, boots)
	files["var/lib/overlays/overrides/etc/fstab"] = "bad"
	files["var/lib/overlays/good.json"] = `{"version": 1, "files": {"etc": "directory", "etc/shadow": "owner"}}`
	return files
}

func TestLadder(t *testing.T) {
	for boots, want := range []struct {
		stage     int
		overrides report.Overrides
		left      string // overrides in force
	}{
		{2, report.AllOverrides, "etc etc/fstab etc/shadow"},
		{2, report.AllOverrides, "etc etc/fstab etc/shadow"},
		{2, report.AllOverrides, "etc etc/fstab etc/shadow"},
		{2, report.GoodOverrides, "etc etc/shadow"},
		{2, report.GoodOverrides, "etc etc/shadow"},
		{2, report.NoOverrides, ""},
		{2, report.NoOverrides, ""},
		{1, report.NoOverrides, ""},
		{1, report.NoOverrides, ""},
		{1, report.NoOverrides, ""},
	} {
		r := device(hanging(boots))
		b, err := inInitramfs(r)
		require.NoError(t, err)
		require.Equal(t, want.stage, b.Choice.Stage, boots)
		require.Equal(t, want.overrides, b.Choice.Overrides, boots)
		require.Equal(t, want.overrides != report.AllOverrides, b.Choice.Ladder != "", boots)
		files, err := r.ListFiles("/var/lib/overlays/overrides")
		require.NoError(t, err)
		require.Equal(t, want.left, strings.Join(slices.Sorted(maps.Keys(files)), " "), boots)
		aside, err := r.ListFiles("/var/lib/overlays/set-aside/1/overrides")
		require.NoError(t, err)
		require.Equal(t, want.overrides != report.AllOverrides, aside["etc/fstab"] == "bad", "set aside, not deleted")
		require.Contains(t, string(r.files["var/lib/forklift/stages/boot-state.json"].Data),
			fmt.Sprintf(`"attempts": %d`, boots+1))
	}
}

// Without a list of good overrides, and where they cannot be moved, the boot has none.
func TestOverridesCannotBeSetAside(t *testing.T) {
	for what, fail := range map[string]string{
		"no list": "read /var/lib/overlays/good.json", "a move fails": "rename /var/lib/overlays/overrides/etc/fstab ",
	} {
		t.Run(what, func(t *testing.T) {
			r := device(hanging(3))
			r.fail = func(_ int, call string) bool { return strings.HasPrefix(call, fail) }
			b, err := inInitramfs(r)
			require.NoError(t, err)
			require.Equal(t, 2, b.Choice.Stage)
			require.Equal(t, report.NoOverrides, b.Choice.Overrides)
			require.Contains(t, strings.Join(b.Problems, "\n"), "set overrides aside: ")
			etc := b.Overlays[1]
			require.Equal(t, report.Volatile, etc.Mode)
			require.Equal(t, []string{"/run/forklift/stages/current/exports/overlays/etc", "/sysroot/etc"}, etc.Lowerdirs)
		})
	}
}

// The rungs on a real file system: the owner's password stays in force as long as its file has not changed.
func TestLadderOnDisk(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	files := hanging(3)
	delete(files, "var/lib/overlays/overrides/etc/fstab")
	write(t, dir, files)
	nstest.Enter(t, dir)
	good, err := override.ListFiles("/var/lib/overlays/overrides")
	require.NoError(t, err)
	data, err := good.Marshal()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("/var/lib/overlays/good.json", data, 0o644))
	require.NoError(t, os.WriteFile("/var/lib/overlays/overrides/etc/fstab", []byte("bad"), 0o644))
	require.NoError(t, os.Symlink("/nowhere", "/var/lib/overlays/overrides/etc/dangling"))

	b := linux(t)
	require.NoError(t, b.All())
	require.Equal(t, "owner", read(t, "/etc/shadow"))
	require.NoFileExists(t, "/etc/fstab")
	require.Equal(t, "bad", read(t, "/var/lib/overlays/set-aside/1/overrides/etc/fstab"))
	_, err = os.Lstat("/etc/dangling")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, report.Done, states(b.Report)[initsteps.SetAside{}.String()])
}

// All overrides are set aside on a real file system, too, and the device keeps changes.
func TestAllSetAsideOnDisk(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	write(t, dir, hanging(5))
	nstest.Enter(t, dir)
	b := linux(t)
	require.NoError(t, b.All())
	require.Equal(t, report.NoOverrides, b.Report.Choice.Overrides)
	require.Equal(t, "image", read(t, "/etc/shadow"))
	require.Equal(t, []report.OverlayMode{report.Writable, report.Writable}, modes(b))
}
