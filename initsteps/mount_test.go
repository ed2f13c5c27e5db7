package initsteps_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// base is a root file system with a stage and with an override by the user. Each file holds where it comes from.
func base() map[string]string {
	stage := "var/lib/forklift/stages/1/"
	return map[string]string{
		"usr/lib/base": "base", "usr/lib/stage": "base",
		"etc/base": "base", "etc/stage": "base", "etc/override": "base",
		stage + "forklift-bundle.yml":                        "forklift-version: v0.8.0\n",
		stage + "exports/overlays/usr/lib/stage":             "stage",
		stage + "exports/overlays/usr/lib/new":               "stage",
		stage + "exports/overlays/etc/stage":                 "stage",
		stage + "exports/overlays/etc/override":              "stage",
		"var/lib/forklift/stages/forklift-stage-store.yml":   "staged: {next: 1, history: [1]}\n",
		"var/lib/overlays/overrides/etc/override":            "override",
		"var/lib/forklift/stages/forklift-stage-store-x.yml": "",
	}
}

// linux runs the steps on the system that this process sees.
func linux(t *testing.T) *initsteps.Boot {
	t.Helper()
	r, err := initsteps.LoadReport(initsteps.Linux{}, "test")
	require.NoError(t, err)
	r.Initramfs = true
	return &initsteps.Boot{System: initsteps.Linux{}, Report: r, Print: func(line string) { t.Log(line) }}
}

func TestMounts(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	write(t, dir, base())
	require.NoError(t, os.Chmod(filepath.Join(dir, "usr"), 0o751))
	nstest.Enter(t, dir)
	b := linux(t)
	require.NoError(t, b.All())
	require.NoError(t, b.Save())

	require.Empty(t, b.Report.Problems)
	require.Equal(t, "/home/pi does not exist", stepOf(b.Report, "bind-.local-share-forklift-stages@home-pi").Note)
	for name, from := range map[string]string{
		"/usr/lib/base": "base", "/usr/lib/stage": "stage", "/usr/lib/new": "stage",
		"/etc/base": "base", "/etc/stage": "stage", "/etc/override": "override",
		"/sysroot/usr/lib/stage": "base", "/sysroot/etc/override": "base",
		"/run/forklift/stages/current/exports/overlays/etc/stage": "stage",
	} {
		require.Equal(t, from, read(t, name), name)
	}
	require.ErrorIs(t, os.WriteFile("/sysroot/etc/x", nil, 0o644), unix.EROFS)
	require.ErrorIs(t, os.WriteFile("/run/forklift/stages/current/x", nil, 0o644), unix.EROFS)
	require.NoError(t, os.WriteFile("/etc/mine", []byte("mine"), 0o644))
	require.Equal(t, "mine", read(t, "/var/lib/overlays/overrides/etc/mine"))
	require.NoFileExists(t, "/sysroot/etc/mine")
	require.NoFileExists(t, "/sysroot/proc/self/mountinfo", "what is mounted in / is not in /sysroot")
	i, err := os.Stat("/usr")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o751), i.Mode().Perm(), "the overlay has the mode of what it covers")
	require.Equal(t, []report.Overlay{
		{Target: "/usr", Source: "pkinit:/usr",
			Lowerdirs: []string{"/run/forklift/stages/current/exports/overlays/usr", "/sysroot/usr"},
			Upperdir:  "/var/lib/overlays/overrides/usr", Workdir: "/var/lib/overlays/workdirs/usr", Mode: report.Writable},
		{Target: "/etc", Source: "pkinit:/etc",
			Lowerdirs: []string{"/run/forklift/stages/current/exports/overlays/etc", "/sysroot/etc"},
			Upperdir:  "/var/lib/overlays/overrides/etc", Workdir: "/var/lib/overlays/workdirs/etc", Mode: report.Writable},
	}, b.Report.Overlays)

	before := mountTable(t)
	require.NoError(t, linux(t).All(), "again, with the report")
	require.Equal(t, before, mountTable(t))
	require.NoError(t, os.Remove(report.Path))
	again := linux(t)
	require.NoError(t, again.All(), "again, without the report")
	require.Equal(t, before, mountTable(t))
	require.Equal(t, "already done", stepOf(again.Report, "overlay-sysroot").Note)
}

// failing is Linux, but the overlay on /etc is not mounted, and the one on /usr is in use by then.
type failing struct {
	initsteps.Linux
	inUse *os.File
}

func (f *failing) MountOverlay(m overlays.Mount) (err error) {
	if m.Target != "/etc" {
		return f.Linux.MountOverlay(m)
	}
	f.inUse, err = os.Open("/usr/lib/stage")
	return errors.Join(errors.New("injected"), err)
}

func TestMountsRollback(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	write(t, dir, base())
	nstest.Enter(t, dir)
	before := mountTable(t)
	b := linux(t)
	system := &failing{}
	b.System = system
	require.EqualError(t, b.All(), "overlay-etc: injected")
	require.NoError(t, system.inUse.Close())
	require.Equal(t, before, mountTable(t))
	require.Equal(t, "base", read(t, "/usr/lib/stage"))
	require.NoError(t, os.WriteFile("/etc/plain", nil, 0o644), "the plain root can be written")
	require.Equal(t, []string{"overlay-etc: injected", "stage 1 is next but cannot be used: overlay-etc: injected"}, b.Report.Problems)
	require.Zero(t, b.Report.Choice.Stage)
}

func TestMountsWithoutStage(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	files := base()
	delete(files, "var/lib/forklift/stages/1/forklift-bundle.yml")
	write(t, dir, files)
	nstest.Enter(t, dir)
	b := linux(t)
	require.NoError(t, b.All())
	require.Equal(t, []string{"stage 1 is next but cannot be used: bundle is incomplete: no forklift-bundle.yml"}, b.Report.Problems)
	require.Equal(t, "base", read(t, "/etc/stage"))
	require.Equal(t, "override", read(t, "/etc/override"))
	require.NoDirExists(t, "/run/forklift/stages/current")
}

// Under systemd all mounts are shared. What is mounted afterwards must not appear in /sysroot.
func TestMountsWhereAllIsShared(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	write(t, dir, base())
	nstest.Enter(t, dir)
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
	b := linux(t)
	require.NoError(t, b.All())
	require.Empty(t, b.Report.Problems)
	require.Empty(t, mountedOn(t, "/sysroot").Optional)
	require.Empty(t, mountedOn(t, "/run/forklift/stages/current").Optional)
	require.NoError(t, os.Mkdir("/var/new", 0o755))
	require.NoError(t, unix.Mount("tmpfs", "/var/new", "tmpfs", 0, ""))
	require.NoError(t, os.WriteFile("/var/new/file", nil, 0o644))
	require.NoFileExists(t, "/sysroot/var/new/file")
}

// The kernel and package overlays agree on how names are escaped.
func TestMountOfStrangeNames(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	write(t, dir, map[string]string{`a:b,c\d e/low`: "", `\:,/low2`: "", "x\ty#\n/u/up": "", "w,=/w/x": "", "t/x": ""})
	m := overlays.Mount{
		Source:    "pkinit:/t",
		Target:    filepath.Join(dir, "t"),
		Lowerdirs: []string{filepath.Join(dir, `a:b,c\d e`), filepath.Join(dir, `\:,`)},
		Upperdir:  filepath.Join(dir, "x\ty#\n/u"),
		Workdir:   filepath.Join(dir, "w,=/w"),
	}
	require.NoError(t, initsteps.Linux{}.MountOverlay(m))
	for _, name := range []string{"low", "low2", "up"} {
		require.FileExists(t, filepath.Join(m.Target, name))
	}
	i := mountedOn(t, m.Target)
	got, err := overlays.ParseOptions(i.VFSOptions)
	require.NoError(t, err)
	got.Source, got.Target = i.Source, i.Mountpoint
	require.Equal(t, m, got)
}

func TestMountErrors(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	write(t, dir, map[string]string{"low/x": "", "up/x": "", "target/x": ""})
	l := initsteps.Linux{}
	gone, target := filepath.Join(dir, "gone"), filepath.Join(dir, "target")
	before := mountTable(t)
	require.EqualError(t, l.Bind(initsteps.Bind{Source: gone, Target: target}),
		"bind "+gone+" at "+target+": open_tree: no such file or directory")
	require.EqualError(t, l.Bind(initsteps.Bind{Source: target, Target: gone}),
		"bind "+target+" at "+gone+": open "+gone+": no such file or directory")
	require.EqualError(t, l.Unmount(target), "unmount "+target+": invalid argument")
	m := overlays.Mount{Source: "s", Target: target, Lowerdirs: []string{dir + "/low"}, Upperdir: dir + "/up", Workdir: gone}
	require.EqualError(t, l.MountOverlay(m), "mount overlay at "+target+" ("+m.Options()+"): no such file or directory")
	m.Workdir = m.Upperdir
	require.ErrorContains(t, l.MountOverlay(m), "contain one another")
	require.Equal(t, before, mountTable(t))
	require.EqualError(t, l.Command("/bin/sh", "-c", "echo out; echo err >&2; exit 3"),
		"run /bin/sh -c echo out; echo err >&2; exit 3: exit status 3: out\nerr\n")
}
