package initsteps_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
)

// What the owner of a home directory writes through the bind mount is root's on the disk, and what root owns there
// looks like the owner's. Needs root: in a user namespace of its own a process has one user only.
func TestIDMap(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // for other users
	source, home := filepath.Join(dir, "stages"), filepath.Join(dir, "home/pi")
	write(t, dir, map[string]string{"stages/1/manifest": "root's", "home/pi/.profile": ""})
	require.NoError(t, os.Chown(home, 1000, 1001))
	bind := initsteps.Bind{Source: source, Target: home + "/.local/share/stages", Within: home, IDs: &initsteps.IDs{UID: 1000, GID: 1001}}
	require.NoError(t, initsteps.Linux{}.Bind(bind))

	requireOwner(t, home+"/.local", 1000, 1001)
	requireOwner(t, home+"/.local/share", 1000, 1001)
	requireOwner(t, bind.Target+"/1/manifest", 1000, 1001)
	requireOwner(t, source+"/1/manifest", 0, 0)

	require.NoError(t, as(1000, 1001, "echo new > "+bind.Target+"/file && mkdir "+bind.Target+"/2 && mv "+bind.Target+"/file "+bind.Target+"/2"))
	requireOwner(t, source+"/2", 0, 0)
	requireOwner(t, source+"/2/file", 0, 0)
	require.ErrorContains(t, as(1000, 1001, "echo new > "+source+"/file"), "Permission denied", "only through the bind mount")
	require.ErrorContains(t, as(1002, 1001, "echo new > "+bind.Target+"/file"), "Value too large", "only its owner")

	require.NoError(t, initsteps.Linux{}.Unmount(bind.Target))
	requireOwner(t, bind.Target, 1000, 1001)
}

// A directory is made with the owner and the mode of another; one that exists stays as it is.
func TestMkdir(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	name := filepath.Join(dir, "a/b/c")
	require.NoError(t, initsteps.Linux{}.Mkdir(name, initsteps.Info{Mode: os.ModeDir | 0o2771, UID: 12, GID: 34}))
	require.NoError(t, initsteps.Linux{}.Mkdir(name, initsteps.Info{Mode: 0o700, UID: 56, GID: 78}))
	info, err := initsteps.Linux{}.Stat(name)
	require.NoError(t, err)
	require.Equal(t, initsteps.Info{Mode: os.ModeDir | 0o771, UID: 12, GID: 34}, info)
	requireOwner(t, filepath.Dir(name), 0, 0)
}

// A home directory is its user's, who may put symlinks in it: they must not lead the mount, or the directories made
// for it, anywhere else.
func TestBindStaysWithinTheHome(t *testing.T) {
	dir := nstest.Run(t, nstest.OwnUsers)
	if dir == "" {
		return
	}
	source, home := filepath.Join(dir, "stages"), filepath.Join(dir, "home/pi")
	write(t, dir, map[string]string{"stages/x": "", "home/pi/x": "", "etc/x": "", "home/pi/real/x": ""})
	before := mountTable(t)
	for link, message := range map[string]string{
		dir + "/etc":     "path escapes from parent",
		"../../etc":      "path escapes from parent",
		"x":              "not a directory",
		"does-not-exist": "no such file or directory",
	} {
		require.NoError(t, os.Symlink(link, home+"/.local"))
		err := initsteps.Linux{}.Bind(initsteps.Bind{Source: source, Target: home + "/.local/share", Within: home})
		require.ErrorContains(t, err, "bind "+source+" at "+home+"/.local/share: ")
		require.ErrorContains(t, err, message)
		require.NoDirExists(t, dir+"/etc/share")
		require.NoError(t, os.Remove(home+"/.local"))
	}
	require.Equal(t, before, mountTable(t))

	require.NoError(t, os.Symlink("real", home+"/.local"))
	require.NoError(t, initsteps.Linux{}.Bind(initsteps.Bind{Source: source, Target: home + "/.local/share", Within: home}))
	require.FileExists(t, home+"/real/share/x")
}

// as runs a command of the shell as another user.
func as(uid, gid uint32, command string) error {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return &os.PathError{Op: command, Path: string(out), Err: err}
	}
	return nil
}

func requireOwner(t *testing.T, name string, uid, gid uint32) {
	t.Helper()
	var s unix.Stat_t
	require.NoError(t, unix.Stat(name, &s))
	require.Equal(t, []uint32{uid, gid}, []uint32{s.Uid, s.Gid}, name)
}
