package initsteps_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/initsteps/internal/nstest"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// The owner of the home directory, who is in the group pkctl, and somebody else.
const (
	owner, ownersGroup = 1000, 1001
	other, othersGroup = 1002, 1003
)

// attempts are what somebody could try to do to the store in $D.
var attempts = []string{
	`echo x >$D/new`, `mkdir $D/9`, `mkfifo $D/fifo`, `ln -s /etc/passwd $D/link`, `ln $D/1/f $D/hard`,
	`echo x >>$D/forklift-stage-store.yml`, `: >$D/forklift-stage-store.yml`, `rm -f $D/forklift-stage-store.yml`,
	`truncate -s 0 $D/boot-state.json`, `mv $D/forklift-stage-store.yml $D/x`, `chmod 666 $D/forklift-stage-store.yml`,
	`touch $D/forklift-stage-store.yml`, `chmod 777 $D`, `chown $(id -u) $D/1/f`, `chmod u+s $D/1/f`,
	`mv $D/1 $D/2`, `rm -rf $D/1`, `rmdir $D/1/d`, `echo x >$D/1/new`, `echo x >>$D/1/f`, `mv $D/1/f $D/1/g`,
	`ln -sfn /tmp $D/1/d`, `cp /bin/true $D/1/f`, `echo x >>$D/1/forklift-bundle.yml`, `echo x >>$D/1/digests.json`,
	`exec 9<$D/.lock && flock -n 9`, `exec 9>>$D/.lock`, `rm -f $D/.lock`,
}

// stageOne stages a bundle, as the user whose thread this is.
func stageOne(dir string) (n int, err error) {
	sys, err := store.Linux(dir)
	if err != nil {
		return 0, err
	}
	s, err := store.Open(context.Background(), sys)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	n, err = s.Add(context.Background(), []byte("forklift-version: v0.8.0\n"), func(w *store.Writer) error {
		return errors.Join(w.Dir("d", 0o755), w.File("f", 0o755, strings.NewReader("#!/bin/sh\n")))
	})
	if err != nil {
		return 0, err
	}
	return n, s.SetNext(n)
}

// TestOnlyTheGrantedChangeTheStore: nobody but root and the owner of the home directory changes anything in the store,
// through its directory or through the bind mount, whatever group they are in. Needs root, to become others.
func TestOnlyTheGrantedChangeTheStore(t *testing.T) {
	dir := nstest.Run(t, nstest.AsRoot)
	if dir == "" {
		return
	}
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	source, home := filepath.Join(dir, "stages"), filepath.Join(dir, "home/pi")
	write(t, dir, map[string]string{"stages/boot-state.json": `{"version":1}`, "home/pi/.profile": ""})
	require.NoError(t, os.Chown(home, owner, ownersGroup))
	_, err := stageOne(source)
	require.NoError(t, err)
	bind := initsteps.Bind{Source: source, Target: home + "/.local/share/stages", Within: home, IDs: &initsteps.IDs{UID: owner, GID: ownersGroup}}
	require.NoError(t, initsteps.Linux{}.Bind(bind))

	before := everything(t, source)
	for _, at := range []string{source, bind.Target} {
		for _, gid := range []uint32{othersGroup, ownersGroup} {
			require.NoError(t, as(other, gid, "cat "+at+"/1/f "+at+"/forklift-stage-store.yml"), "everybody may read")
			for _, attempt := range attempts {
				require.Error(t, as(other, gid, "D="+at+"; "+attempt), "%s in %s as %d:%d", attempt, at, other, gid)
			}
		}
	}
	for _, attempt := range attempts {
		require.Error(t, as(owner, ownersGroup, "D="+source+"; "+attempt), "%s: the owner of the home has the bind mount alone", attempt)
	}
	require.Equal(t, before, everything(t, source))

	n := 0
	asThread(t, owner, ownersGroup, func() { n, err = stageOne(bind.Target) })
	require.NoError(t, err)
	require.Equal(t, 2, n)
	for name, entry := range everything(t, source) {
		require.Contains(t, entry, " 0:0 ", name)
	}
	differences, err := store.Verify(os.DirFS(source), 2)
	require.NoError(t, err)
	require.Empty(t, differences)
	asThread(t, other, othersGroup, func() { _, err = stageOne(bind.Target) })
	require.ErrorIs(t, err, fs.ErrPermission, "the lock is the first thing that is refused")
}

// everything is what there is below a directory: modes, owners, times and contents by path.
func everything(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		content := []byte{}
		if info.Mode().IsRegular() {
			content, err = os.ReadFile(name)
		}
		all[name] = fmt.Sprintf("%v %d:%d %v %q", info.Mode(), stat.Uid, stat.Gid, info.ModTime(), content)
		return err
	}))
	return all
}

// asThread runs a function as another user towards file systems. The thread ends with it.
func asThread(t *testing.T, uid, gid int, do func()) {
	t.Helper()
	done := make(chan struct{})
	var failed error
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock it
		// Not through package syscall, which would change all threads.
		_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		if errno != 0 {
			failed = errno
			return
		}
		_, err := unix.SetfsgidRetGid(gid)
		_, err2 := unix.SetfsuidRetUid(uid)
		if failed = errors.Join(err, err2); failed == nil {
			do()
		}
	}()
	<-done
	require.NoError(t, failed)
}
