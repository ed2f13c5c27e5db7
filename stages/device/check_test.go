package device_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/overlays/override"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// overridden returns a device whose image has some essential files, with overrides in usr and etc.
func overridden(t *testing.T, files map[string]string) device.Device {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"base/usr/lib/systemd/systemd": "\x7fELF", "base/usr/lib/aarch64-linux-gnu/libc.so.6": "\x7fELF", "base/usr/bin/sh": "\x7fELF",
		"base/etc/passwd": "root", "base/etc/fstab": "", "root/dev/disk/by-uuid/present": "",
		"state/overrides/usr/.keep": "", "state/overrides/etc/.keep": "",
	})
	put(t, filepath.Join(dir, "state/overrides"), files)
	d := device.Device{Store: dir, State: filepath.Join(dir, "state"), Boot: filepath.Join(dir, "boot.json"), Root: filepath.Join(dir, "root")}
	var all []report.Overlay
	for _, name := range []string{"usr", "etc"} {
		all = append(all, report.Overlay{Target: "/" + name, Upperdir: filepath.Join(d.State, "overrides", name), Lowerdirs: []string{filepath.Join(dir, "base", name)}})
	}
	setBoot(t, d, report.Boot{Version: 1, Overlays: all})
	return d
}

func TestCheckOverrides(t *testing.T) {
	needs.Root(t) // whiteouts are devices
	d := overridden(t, map[string]string{
		"usr/lib/aarch64-linux-gnu/libc.so.6": "junk",
		"etc/fstab": "# comment\nUUID=absent /mnt/data ext4 defaults 0 2\nUUID=absent /mnt/b ext4 nofail 0 2\n" +
			"UUID=present /mnt/c ext4 defaults 0 2\ntmpfs /mnt/d tmpfs defaults 0 0\n/dev/sdz1 /mnt/e ext4 defaults 0 2\n",
	})
	upper := filepath.Join(d.State, "overrides/usr")
	require.NoError(t, unix.Mknod(filepath.Join(upper, "lib/systemd"), unix.S_IFCHR, 0))
	require.NoError(t, os.MkdirAll(filepath.Join(upper, "bin"), 0o755))
	require.NoError(t, unix.Mknod(filepath.Join(upper, "bin/sh"), unix.S_IFCHR, 0))
	got, err := d.CheckOverrides()
	require.NoError(t, err)
	require.ElementsMatch(t, []device.Warning{
		{"/usr/lib/systemd/systemd", "is deleted, and the device needs it to boot; pkctl override revert /usr/lib/systemd"},
		{"/usr/bin/sh", "is deleted, and the device needs it to boot; pkctl override revert /usr/bin/sh"},
		{"/usr/lib/aarch64-linux-gnu/libc.so.6", "is no program any more, and the device needs it to boot; pkctl override revert " +
			"/usr/lib/aarch64-linux-gnu/libc.so.6"},
		{"/etc/fstab", "line 2 makes each boot wait for UUID=absent, which is absent, and then end in emergency mode; add nofail to its options"},
		{"/etc/fstab", "line 6 makes each boot wait for /dev/sdz1, which is absent, and then end in emergency mode; add nofail to its options"},
	}, got)
}

// A changed program is no reason for a warning.
func TestCheckHarmlessOverrides(t *testing.T) {
	d := overridden(t, map[string]string{"usr/bin/sh": "\x7fELF, another one", "etc/passwd": "root and alice", "usr/bin/new": "x"})
	got, err := d.CheckOverrides()
	require.NoError(t, err)
	require.Empty(t, got)
}

// A verdict names what the user changed since the last good boot.
func TestSuspectOverrides(t *testing.T) {
	d := overridden(t, map[string]string{"etc/hosts": "x", "etc/gone": "x"})
	require.Empty(t, d.SuspectOverrides(), "there was no good boot")
	require.NoError(t, d.RecordGood(t.Context()))
	require.Empty(t, d.SuspectOverrides())
	put(t, d.State, map[string]string{"overrides/etc/fstab": "x"})
	require.NoError(t, os.Remove(filepath.Join(d.State, "overrides/etc/gone")))
	require.Equal(t, "changed by the user since the last good boot: /etc/fstab, /etc/gone", d.SuspectOverrides())
}

// The verdict of a boot that ended in emergency mode does so, too.
func TestEndBootNamesOverrides(t *testing.T) {
	d, _ := newDevice(t)
	good, err := override.Files{}.Marshal()
	require.NoError(t, err)
	put(t, d.State, map[string]string{"good.json": string(good), "overrides/etc/fstab": "x"})
	setBoot(t, d, report.Boot{Version: 1, Choice: report.Choice{Stage: 3, Attempt: 1}})
	_, err = d.EndBoot(t.Context(), "emergency mode", time.Unix(0, 0))
	require.NoError(t, err)
	v, err := d.Verdict("3")
	require.NoError(t, err)
	require.Equal(t, stages.Failed, v.Result)
	require.Equal(t, []string{"emergency mode", "changed by the user since the last good boot: /etc"}, v.Reasons)
}
