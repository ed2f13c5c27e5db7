package initsteps_test

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// The table is made of values that can be compared, under names that are those of the services.
func TestTransactions(t *testing.T) {
	require.Equal(t, initsteps.Transactions(), initsteps.Transactions())
	require.True(t, initsteps.Transactions()[6][2] == initsteps.Step(initsteps.BindRoot{Target: "/sysroot"}))
	require.Equal(t, []string{
		"grow-partition", "grow-file-system", "make-identity", "read-request", "reset", "revert-overrides",
		"select-stage", "set-aside-overrides", "overlay-sysroot", "bindro-run-forklift-stages-current", "overlay-usr", "overlay-etc",
		"bind-.local-share-forklift-stages@home-pi", "mark-unusable", "verify", "make-reserve", "answer-request", "start-overlaid-units",
	}, names())
}

// Whatever is wrong with the store, the overlays come up with the user's overrides, and the report says why they are
// all there is.
func TestBootWithoutStage(t *testing.T) {
	dir := "var/lib/forklift/stages/"
	for what, c := range map[string]struct {
		change   map[string]string
		problems []string
	}{
		"no store": {
			map[string]string{dir + "forklift-stage-store.yml": absent},
			[]string{"read the stage store: open var/lib/forklift/stages/forklift-stage-store.yml: file does not exist", "no stage is next"},
		},
		"broken store": {
			map[string]string{dir + "forklift-stage-store.yml": "staged: {next: 2"},
			[]string{"parse forklift-stage-store.yml: [1:9] could not find flow mapping end token '}'", "no stage is next"},
		},
		"no bundle complete": {
			map[string]string{dir + "1/forklift-bundle.yml": absent, dir + "2/forklift-bundle.yml": absent},
			[]string{"stage 2 is next but cannot be used: bundle is incomplete: no forklift-bundle.yml"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := device(c.change)
			b, err := inInitramfs(r)
			require.NoError(t, err)
			require.True(t, b.Degraded)
			require.Equal(t, c.problems, b.Problems)
			require.Equal(t, report.Choice{Reason: "no stage can be used", Overrides: report.AllOverrides}, b.Choice)
			require.Equal(t, "no stage is chosen for this boot", stepOf(b, "bindro-run-forklift-stages-current").Note)
			require.Equal(t, []string{"/sysroot", "/usr", "/etc", "/home/pi/.local/share/forklift/stages"}, r.mounted())
			require.Equal(t, []string{"/sysroot/usr"}, b.Overlays[0].Lowerdirs)
			require.Equal(t, []string{"/sysroot/etc"}, b.Overlays[1].Lowerdirs)
		})
	}
}

// Without a readable state file the attempts are counted anew.
func TestBootWithABrokenState(t *testing.T) {
	b, err := inInitramfs(device(map[string]string{"var/lib/forklift/stages/boot-state.json": "{"}))
	require.NoError(t, err)
	require.Equal(t, []string{"parse boot-state.json: unexpected end of JSON input"}, b.Problems)
	require.Equal(t, 1, b.Choice.Attempt)
}

// A stage may have no files for a directory.
func TestOverlayWithoutStageFiles(t *testing.T) {
	b, err := inInitramfs(device(map[string]string{"var/lib/forklift/stages/2/exports/overlays/usr/two": absent}))
	require.NoError(t, err)
	require.False(t, b.Degraded)
	require.Equal(t, []string{"/sysroot/usr"}, b.Overlays[0].Lowerdirs)
	require.Len(t, b.Overlays[1].Lowerdirs, 2)
}

func TestHomeIsSkipped(t *testing.T) {
	for what, c := range map[string]struct {
		change map[string]string
		note   string
	}{
		"no home":         {map[string]string{"home/pi/.profile": absent}, "/home/pi does not exist"},
		"no such user":    {map[string]string{"etc/passwd": "root:x:0:0::/:\n"}, "/home/pi belongs to no user (uid 1000)"},
		"no group":        {map[string]string{"etc/group": "pi:x:1000:\n"}, "group pkctl does not exist"},
		"not a member":    {map[string]string{"etc/group": "pkctl:x:990:pip,alice\n"}, "pi is not in the group pkctl"},
		"short lines":     {map[string]string{"etc/group": "\npkctl:x:990\n+\n"}, "group pkctl does not exist"},
		"no stage store":  {noStore(), "/var/lib/forklift/stages does not exist"},
		"empty databases": {map[string]string{"etc/passwd": "", "etc/group": ""}, "/home/pi belongs to no user (uid 1000)"},
	} {
		t.Run(what, func(t *testing.T) {
			r := device(c.change)
			b, err := inInitramfs(r)
			require.NoError(t, err)
			home := stepOf(b, "bind-.local-share-forklift-stages@home-pi")
			require.Equal(t, report.Skipped, home.State)
			require.Equal(t, c.note, home.Note)
			require.NotContains(t, r.mounted(), "/home/pi/.local/share/forklift/stages")
		})
	}
}

func noStore() map[string]string {
	gone := map[string]string{}
	for name := range device().files {
		if strings.HasPrefix(name, "var/lib/forklift/") {
			gone[name] = absent
		}
	}
	return gone
}

// The grant may also be the primary group; what the owner writes then is root's by way of that group.
func TestHomeOfAPrimaryMember(t *testing.T) {
	r := device(map[string]string{"etc/passwd": "pi:x:1000:990::/home/pi:/bin/sh", "etc/group": "pkctl:x:990:"})
	_, err := inInitramfs(r)
	require.NoError(t, err)
	require.Contains(t, r.calls, "bind rw,idmapped /var/lib/forklift/stages /home/pi/.local/share/forklift/stages as 1000:990 within /home/pi")
}

func TestHomeWithABrokenDatabase(t *testing.T) {
	b, err := inInitramfs(device(map[string]string{"etc/passwd": "pi:x:1000:many::/home/pi:/bin/sh"}))
	require.EqualError(t, err, `bind-.local-share-forklift-stages@home-pi: /etc/passwd: group of user pi: strconv.Atoi: parsing "many": invalid syntax`)
	require.Len(t, b.Overlays, 2)
}

// Verify finds what the kernel did otherwise than was meant.
func TestVerify(t *testing.T) {
	for what, c := range map[string]struct {
		change func(r *recorder)
		err    string
	}{
		"as meant": {func(*recorder) {}, ""},
		"overlay of others": {func(r *recorder) {
			r.mounts = append(r.mounts, &mountinfo.Info{Mountpoint: "/var/lib/docker/x", FSType: "overlay", Source: "overlay"})
		}, ""},
		"sysroot writable": {func(r *recorder) { r.mountAt("/sysroot").Options = "rw,relatime" }, "bind mount at /sysroot is not read-only (options rw,relatime)"},
		"sysroot gone":     {func(r *recorder) { _ = r.Unmount("/sysroot") }, "/sysroot is not a mount point"},
		"other stage": {func(r *recorder) { r.mountAt("/run/forklift/stages/current").Root = "/var/lib/forklift/stages/1" },
			"/run/forklift/stages/current is a bind mount of /var/lib/forklift/stages/1, want 2"},
		"home gone": {func(r *recorder) { _ = r.Unmount("/home/pi/.local/share/forklift/stages") },
			"/home/pi/.local/share/forklift/stages is not a mount point"},
		"home without mapping": {func(r *recorder) { r.mountAt("/home/pi/.local/share/forklift/stages").Options = "rw" },
			"bind mount at /home/pi/.local/share/forklift/stages does not map owners (idmapped is not among its options rw)"},
		"overlay gone": {func(r *recorder) { _ = r.Unmount("/etc") }, "/etc is not a mount point"},
		"other lowerdirs": {func(r *recorder) { r.mountAt("/etc").VFSOptions = "rw,lowerdir=/sysroot/etc,upperdir=/u,workdir=/w" },
			"/etc is {pkinit:/etc /etc [/sysroot/etc] /u /w}, want {pkinit:/etc /etc " +
				"[/run/forklift/stages/current/exports/overlays/etc /sysroot/etc] /var/lib/overlays/overrides/etc /var/lib/overlays/workdirs/etc}"},
		"unreadable options": {func(r *recorder) { r.mountAt("/etc").VFSOptions = `rw,upperdir=/\9` },
			`mountinfo of /etc: overlay option upperdir=/\9: octal escape \9 has fewer than three digits`},
	} {
		t.Run(what, func(t *testing.T) {
			r := device()
			b := newBoot(r)
			require.NoError(t, b.All())
			c.change(r)
			err := initsteps.Verify{}.Do(b)
			if c.err == "" {
				require.NoError(t, err)
				require.Len(t, b.Report.Overlays, 2)
				return
			}
			require.ErrorContains(t, err, c.err)
		})
	}
}

// What verify finds wrong is left as it is, and said.
func TestVerifyUndoesNothing(t *testing.T) {
	r := device()
	b := newBoot(r)
	b.System = forgetful{r}
	require.EqualError(t, b.All(), "verify: bind mount at /sysroot is not read-only (options rw)")
	require.Len(t, r.mounts, len(targets))
	require.Equal(t, []string{"verify: bind mount at /sysroot is not read-only (options rw)"}, b.Report.Problems)
}

// forgetful makes every bind mount writable.
type forgetful struct{ *recorder }

func (f forgetful) Bind(b initsteps.Bind) error {
	b.ReadOnly = b.Target != "/sysroot" && b.ReadOnly
	return f.recorder.Bind(b)
}

func (r *recorder) mountAt(target string) *mountinfo.Info {
	for _, m := range r.mounts {
		if m.Mountpoint == target {
			return m
		}
	}
	panic(fmt.Sprintf("nothing at %s", path.Clean(target)))
}
