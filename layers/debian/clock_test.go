package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
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

// diary is a package whose script writes down the day: what the test below is to find wherever else it is.
var diary = map[string]string{"postinst": "#!/bin/sh\ndate +%F >/opt/day\n"}

// dayOf takes the day that the diary has out of a tree; empty if there is none.
func dayOf(t *testing.T, tree *layers.Tree) string {
	t.Helper()
	if tree.Get("opt/day") == nil {
		return ""
	}
	text, err := tree.ReadFile("opt/day")
	require.NoError(t, err)
	tree.Remove("opt/day")
	return strings.TrimSpace(string(text))
}

// TestTheDayDoesNotMatter builds a tree from a lock, and once more a day later, on a machine with another time zone,
// language, name and umask. A package that writes down the day shows that its scripts live on that day: its file is the
// only difference.
func TestTheDayDoesNotMatter(t *testing.T) {
	t.Parallel()
	env := testEnv(t)
	needs.Program(t, "linux.uml")
	l := testLayer()
	l.Architecture = sandbox.Host() // User Mode Linux runs nothing else
	l.Lock = baseLock(t, env, l)
	l.Lock.addPackage(t, "diary", diary)
	tree, err := l.Make(t.Context(), env, nil)
	require.NoError(t, err)
	today := dayOf(t, tree)

	tomorrow := time.Now().Add(24 * time.Hour)
	out := onAnotherDay(t, tomorrow, l, env)
	seconds, err := strconv.ParseInt(said(t, out, "clock"), 10, 64)
	require.NoError(t, err)
	require.GreaterOrEqual(t, seconds, tomorrow.Unix())
	require.NotEqual(t, today, said(t, out, "day"), "the scripts' clock is that of today")
	require.Equal(t, digestOf(t, tree), said(t, out, "digest"))
}

// onAnotherDay builds a layer in User Mode Linux, and returns what that says.
func onAnotherDay(t *testing.T, day time.Time, l Layer, env *layers.Env) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	later := *env
	later.Scratch = "/mnt/scratch"
	script := filepath.Join(t.TempDir(), "init")
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, anotherDay, day.Unix(), childSpec(t, l, &later), self), 0o755))
	cmd := exec.CommandContext(t.Context(), "linux.uml", "mem=4G", "root=/dev/root", "rootfstype=hostfs", "rw", "init="+script,
		"con=null", "con0=null,fd:1", "panic=1")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // where it keeps its socket
	out, err := cmd.CombinedOutput()
	require.Regexp(t, `(?m)^digest `, string(out), "%s: %v", cmd, err)
	return string(out)
}

// said is what follows a word at the beginning of a line.
func said(t *testing.T, out, word string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + word + ` (\S+)`).FindStringSubmatch(out)
	require.NotNil(t, m, out)
	return m[1]
}
