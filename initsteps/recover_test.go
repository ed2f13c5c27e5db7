package initsteps_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

// enterExt4 makes files the content of an ext4 file system on a loop device and the root of this process. Damage, if not
// nil, changes the image before it is mounted.
func enterExt4(t *testing.T, dir string, files map[string]string, damage func(image string)) {
	t.Helper()
	source, image, root := filepath.Join(dir, "source"), filepath.Join(dir, "image"), filepath.Join(dir, "root")
	require.NoError(t, os.MkdirAll(root, 0o755))
	write(t, source, files)
	for _, d := range []string{"proc", "run", "old", "sysroot", "usr", "etc"} {
		require.NoError(t, os.MkdirAll(filepath.Join(source, d), 0o755))
	}
	run(t, "mke2fs", "-q", "-t", "ext4", "-O", "metadata_csum", "-N", "512", "-d", source, image, "16M")
	for _, d := range []string{"proc", "run", "old"} { // nstest.Enter makes them
		run(t, "debugfs", "-w", "-R", "rmdir "+d, image)
	}
	if damage != nil {
		damage(image)
	}
	run(t, "mount", "-o", "loop", image, root)
	nstest.Enter(t, root)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(needs.Program(t, name), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s: %s", cmd, &stderr)
	return string(out)
}

// breakInode changes a byte of the inode of a file, so that its checksum is wrong, as on a card that fails.
func breakInode(t *testing.T, image, name string) {
	t.Helper()
	where := regexp.MustCompile(`located at block (\d+), offset 0x([0-9a-f]+)`).FindStringSubmatch(run(t, "debugfs", "-R", "imap "+name, image))
	require.NotNil(t, where)
	size := regexp.MustCompile(`Block size:\s+(\d+)`).FindStringSubmatch(run(t, "dumpe2fs", "-h", image))
	block, err := strconv.ParseInt(where[1], 10, 64)
	require.NoError(t, err)
	offset, err := strconv.ParseInt(where[2], 16, 64)
	require.NoError(t, err)
	blockSize, err := strconv.ParseInt(size[1], 10, 64)
	require.NoError(t, err)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	require.NoError(t, err)
	at := block*blockSize + offset + 100 // its generation
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	require.NoError(t, err)
	b[0] ^= 0xff
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// owned is a device whose owner has changed the passwords of the image, with two proven stages.
func owned() map[string]string {
	files := map[string]string{
		"usr/lib/base":                          "base",
		"etc/shadow":                            "image",
		"var/lib/overlays/overrides/etc/shadow": "owner",
		"var/lib/forklift/stages/forklift-stage-store.yml": "staged: {next: 2, history: [1, 2]}\n",
	}
	for _, n := range []string{"1", "2"} {
		files["var/lib/forklift/stages/"+n+"/forklift-bundle.yml"] = "forklift-version: v0.8.0\n"
		files["var/lib/forklift/stages/"+n+"/exports/overlays/etc/stage"] = n
		files["var/lib/forklift/stages/"+n+"/exports/overlays/usr/lib/stage"] = n
	}
	return files
}

// requireOwned checks that the owner's password is in force, with the stage of a number; 0 for none.
func requireOwned(t *testing.T, b *initsteps.Boot, stage int) {
	t.Helper()
	require.Equal(t, "owner", read(t, "/etc/shadow"))
	require.Equal(t, stage, b.Report.Choice.Stage)
	require.Equal(t, stage != 0, exists("/etc/stage"))
	require.True(t, b.Report.Degraded)
	if stage != 0 {
		require.Equal(t, strconv.Itoa(stage), read(t, "/etc/stage"))
		require.Equal(t, strconv.Itoa(stage), read(t, "/usr/lib/stage"))
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func modes(b *initsteps.Boot) []report.OverlayMode {
	var list []report.OverlayMode
	for _, o := range b.Report.Overlays {
		list = append(list, o.Mode)
	}
	return list
}

// A file system that cannot be written still gives the device its stage and its owner's files.
func TestUnwritableRoot(t *testing.T) {
	t.Run("read-only", func(t *testing.T) {
		dir := nstest.Run(t, nstest.AsRoot)
		if dir == "" {
			return
		}
		enterExt4(t, dir, owned(), nil)
		require.NoError(t, unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		requireVolatile(t)
	})
	t.Run("no inode left", func(t *testing.T) {
		dir := nstest.Run(t, nstest.AsRoot)
		if dir == "" {
			return
		}
		enterExt4(t, dir, owned(), nil)
		for i := 0; ; i++ {
			if err := os.Mkdir(fmt.Sprintf("/var/%d", i), 0o755); err != nil {
				require.ErrorIs(t, err, unix.ENOSPC)
				break
			}
		}
		requireVolatile(t)
	})
	t.Run("no block left before the first boot", func(t *testing.T) {
		dir := nstest.Run(t, nstest.AsRoot)
		if dir == "" {
			return
		}
		enterExt4(t, dir, owned(), nil)
		f, err := os.Create("/var/full")
		require.NoError(t, err)
		for {
			if _, err := f.Write(make([]byte, 1024)); err != nil {
				require.ErrorIs(t, err, unix.ENOSPC)
				break
			}
		}
		requireVolatile(t)
	})
}

// fillDisk uses all inodes or all blocks of the root file system.
func fillDisk(t *testing.T, what string) {
	t.Helper()
	f, err := os.Create("/var/full")
	require.NoError(t, err)
	for i := 0; ; i++ {
		if what == "inode" {
			err = os.Symlink("x", fmt.Sprintf("/var/%d", i))
		} else {
			_, err = f.Write(make([]byte, 1024))
		}
		if err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			require.NoError(t, f.Close())
			return
		}
	}
}

// The reserve lets a device with a full disk count an attempt and keep changes, before the first boot and later.
func TestReserve(t *testing.T) {
	for _, what := range []string{"inode", "block"} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("no %s left, first boot %t", what, first), func(t *testing.T) {
				dir := nstest.Run(t, nstest.AsRoot)
				if dir == "" {
					return
				}
				files := owned()
				files["var/lib/forklift/stages/forklift-stage-store.yml"] = "staged: {next: 2, history: [1]}\n"
				enterExt4(t, dir, files, nil)
				b := linux(t)
				require.NoError(t, b.One("make-reserve"))
				for _, d := range []string{"etc", "usr"} { // as an image has them
					require.NoError(t, os.MkdirAll(overlays.Upperdir(d), 0o755))
					require.NoError(t, os.MkdirAll(overlays.Workdir(d), 0o755))
				}
				if !first {
					require.NoError(t, os.Mkdir(overlays.Workdir("etc")+"/work", 0))
					require.NoError(t, os.Mkdir(overlays.Workdir("usr")+"/work", 0))
				}
				fillDisk(t, what)
				require.NoError(t, os.Remove(report.Path))
				b = linux(t)
				require.NoError(t, b.All())
				requireOwned(t, b, 2)
				require.Equal(t, 1, b.Report.Choice.Attempt)
				require.Equal(t, []report.OverlayMode{report.Writable, report.Writable}, modes(b))
				require.Contains(t, b.Report.Problems, "the disk is full: this boot has used the reserve of pkinit; free some space")
				require.NoDirExists(t, overlays.ReserveDir())

				require.NoError(t, os.RemoveAll("/var/full"))
				for i := range 1000 {
					_ = os.Remove(fmt.Sprintf("/var/%d", i))
				}
				b = linux(t)
				b.Report = initsteps.NewReport("test") // the next boot
				require.NoError(t, b.One("make-reserve"))
				require.Len(t, list(t, overlays.ReserveDir()), overlays.ReserveDirs+1)
			})
		}
	}
}

// A full disk is not made fuller.
func TestNoRoomForReserve(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	enterExt4(t, dir, owned(), nil)
	fillDisk(t, "block")
	b := linux(t)
	require.NoError(t, b.One("make-reserve"))
	require.Equal(t, []string{"the disk is full: no room for the reserve of 512 KiB that a boot may need"}, b.Report.Problems)
	require.NoDirExists(t, overlays.ReserveDir())
}

func list(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	return entries
}

// requireVolatile boots and checks that changes go to memory.
func requireVolatile(t *testing.T) {
	t.Helper()
	b := linux(t)
	require.NoError(t, b.All())
	requireOwned(t, b, 2)
	require.Contains(t, modes(b), report.Volatile)
	require.Contains(t, strings.Join(b.Report.Problems, "\n"), "keeps changes in memory only, until the next boot: ")
	require.NoError(t, os.WriteFile("/etc/new", nil, 0o644))
	require.NoFileExists(t, "/var/lib/overlays/overrides/etc/new")
}

// A proven stage with a damaged directory is followed by the older proven stage, in the same boot and in the next ones.
func TestDamagedStage(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	enterExt4(t, dir, owned(), func(image string) {
		breakInode(t, image, "/var/lib/forklift/stages/2/exports/overlays/etc")
	})
	b := linux(t)
	require.NoError(t, b.All())
	requireOwned(t, b, 1)
	require.Equal(t, "stage 1 is the last proven one", b.Report.Choice.Reason)
	require.Contains(t, strings.Join(b.Report.Problems, "\n"), "stage 2 is next but cannot be used: ")
}

// Overrides that cannot be read leave the device with its stage.
func TestDamagedOverrides(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	enterExt4(t, dir, owned(), func(image string) { breakInode(t, image, "/var/lib/overlays/overrides/etc") })
	b := linux(t)
	require.NoError(t, b.All())
	require.Equal(t, 2, b.Report.Choice.Stage)
	require.Equal(t, "2", read(t, "/etc/stage"))
	require.Contains(t, strings.Join(b.Report.Problems, "\n"),
		"/etc lacks the user's overrides, which cannot be read, and keeps changes in memory only, until the next boot: ")
}

// Layers of a bundle that are files, or links that lead out of it, are never mounted.
func TestHostileExports(t *testing.T) {
	for name, hostile := range map[string]func(layer string) error{
		"a file":                   func(layer string) error { return os.WriteFile(layer, nil, 0o644) },
		"a link to the root":       func(layer string) error { return os.Symlink("/", layer) },
		"a link to itself":         func(layer string) error { return os.Symlink("etc", layer) },
		"a link to the overrides":  func(layer string) error { return os.Symlink("/var/lib/overlays/overrides/etc", layer) },
		"a link to another bundle": func(layer string) error { return os.Symlink("../../../1/exports/overlays/etc", layer) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := nstest.Run(t, nstest.OwnUsers)
			if dir == "" {
				return
			}
			files := owned()
			delete(files, "var/lib/forklift/stages/2/exports/overlays/etc/stage")
			write(t, dir, files)
			require.NoError(t, hostile(filepath.Join(dir, "var/lib/forklift/stages/2/exports/overlays/etc")))
			nstest.Enter(t, dir)
			b := linux(t)
			require.NoError(t, b.All())
			requireOwned(t, b, 1)
			require.Contains(t, b.Report.Problems, "stage 2 is next but cannot be used: 2/exports/overlays/etc is not a directory")
		})
	}
}

// What could not be mounted is recorded, and not tried by the next boot; without any stage that can be mounted the
// device has its overrides.
func TestUnusableIsRecorded(t *testing.T) {
	r := device()
	r.fail = func(_ int, call string) bool {
		return call == "bind ro /var/lib/forklift/stages/2 /run/forklift/stages/current"
	}
	b, err := inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, 1, b.Choice.Stage)
	require.Equal(t, []report.Unusable{{Stage: 2, Reason: "bindro-run-forklift-stages-current: bind ro " +
		"/var/lib/forklift/stages/2 /run/forklift/stages/current: injected"}}, b.Unusable)
	require.Equal(t, report.Done, states(b)["mark-unusable"])
	state, err := stages.ParseBootState(r.files["var/lib/forklift/stages/boot-state.json"].Data)
	require.NoError(t, err)
	require.Equal(t, b.Unusable[0].Reason, state.Stages[2].Unusable)

	r.mounts, r.calls = nil, nil
	delete(r.files, "run/pkinit/boot.json")
	b, err = inInitramfs(r)
	require.NoError(t, err)
	require.Equal(t, 1, b.Choice.Stage)
	require.Empty(t, b.Unusable, "stage 2 was not tried again")
	require.Equal(t, []string{"stage 2 is next but cannot be used: " + state.Stages[2].Unusable}, b.Problems)
}

// A fault that no stage can help, such as a kernel without overlays, marks no stage.
func TestFaultOfTheKernelMarksNoStage(t *testing.T) {
	r := device()
	r.fail = func(_ int, call string) bool { return strings.HasPrefix(call, "overlay ") }
	b, err := inInitramfs(r)
	require.EqualError(t, err, "overlay-usr: overlay /usr: injected")
	require.Equal(t, report.Choice{Reason: "no stage: the overlays could not be mounted"}, b.Choice)
	require.Len(t, b.Unusable, 2)
	require.Equal(t, report.Skipped, states(b)["mark-unusable"])
	require.NotContains(t, string(r.files["var/lib/forklift/stages/boot-state.json"].Data), "unusable")
}

// A vendor's kernel that ran with metacopy=on and redirect_dir=on leaves overrides that this one cannot read: the report
// says which.
func TestForeignAttributes(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	files := owned()
	files["etc/big"] = "big"
	files["var/lib/overlays/overrides/etc/big"] = ""
	files["var/lib/overlays/workdirs/etc/x"] = ""
	enterExt4(t, dir, files, nil)
	require.NoError(t, unix.Setxattr("/var/lib/overlays/overrides/etc/big", "trusted.overlay.metacopy", nil, 0))
	b := linux(t)
	require.NoError(t, b.All())
	_, err := os.ReadFile("/etc/big")
	require.Error(t, err, "this is what the report warns of")
	requireOwned(t, b, 2)
	require.Contains(t, b.Report.Problems, "/etc has overrides that cannot be read, since another kernel has written them with "+
		"other options of overlayfs: big (metacopy) (pkctl override revert removes them)")
}
