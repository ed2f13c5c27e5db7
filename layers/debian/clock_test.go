package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/stretchr/testify/require"
)

// anotherDay is the first process of User Mode Linux, a kernel with a clock of its own. What it changes besides is what
// differs between one maintainer's machine and another's. The host's files are its own; it works in memory.
const anotherDay = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o size=3g tmpfs /mnt || exit
insmod /usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko || exit
date --set=@%d
hostname another-machine
umask 0077
export TZ=Pacific/Apia LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 HOME=/nonexistent TMPDIR=/mnt
mkdir /mnt/scratch
env '%s' '%s' -test.v -test.run='^TestChild$'
date +'clock %%s'
echo o >/proc/sysrq-trigger
sleep 60
`

// TestTheDayDoesNotMatter builds a tree from a lock, and once more a day later, on a machine with another time zone,
// language, name and umask.
func TestTheDayDoesNotMatter(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	needs.Program(t, "linux.uml")
	l := testLayer()
	l.Architecture = sandbox.Host() // User Mode Linux runs nothing else
	l.Lock = baseLock(t, env, l)
	began := time.Now()
	tree, err := l.Make(t.Context(), env, nil)
	require.NoError(t, err)

	self, err := os.Executable()
	require.NoError(t, err)
	later := *env
	later.Scratch = "/mnt/scratch"
	script := filepath.Join(t.TempDir(), "init")
	tomorrow := began.Add(24 * time.Hour).Unix()
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, anotherDay, tomorrow, childSpec(t, l, &later), self), 0o755))
	cmd := exec.CommandContext(t.Context(), "linux.uml", "mem=4G", "root=/dev/root", "rootfstype=hostfs", "rw", "init="+script,
		"con=null", "con0=null,fd:1", "panic=1")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // where it keeps its socket
	out, err := cmd.CombinedOutput()
	require.Regexp(t, `(?m)^digest `, string(out), "%s: %v", cmd, err)
	clock := regexp.MustCompile(`(?m)^clock (\d+)`).FindSubmatch(out)
	require.NotNil(t, clock, "%s", out)
	seconds, err := strconv.ParseInt(string(clock[1]), 10, 64)
	require.NoError(t, err)
	require.GreaterOrEqual(t, seconds, tomorrow)
	digest := regexp.MustCompile(`(?m)^digest (\S+)`).FindSubmatch(out)
	require.Equal(t, digestOf(t, tree), string(digest[1]))
}
