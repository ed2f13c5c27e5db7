package debian

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/internal/uml"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// anotherDay makes User Mode Linux, a kernel with a clock of its own, another machine: what it changes besides the day is what
// differs between one maintainer's machine and another's. The host's files are its own; it works in memory.
const anotherDay = `
mount -t tmpfs -o size=3g tmpfs /mnt || exit
insmod /usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko || exit
date --set=@%d
hostname another-machine
umask 0077
export TZ=Pacific/Apia LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 HOME=/nonexistent TMPDIR=/mnt '%s'
mkdir /mnt/scratch
`

// diary is a package whose script writes down the day: what the test below is to find wherever else it is.
var diary = map[string]string{"postinst": "#!/bin/sh\ndate +%F >/opt/day\n"}

// dayOf takes the day that the diary has out of a tree; empty if there is none.
func dayOf(t *testing.T, tree *tree.Tree) string {
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
	later := *env
	later.Scratch = "/mnt/scratch"
	out := uml.Machine{
		Memory: "4G",
		Before: fmt.Sprintf(anotherDay, day.Unix(), childSpec(t, l, &later)),
		After:  "date +'clock %s'",
	}.Run(t, "TestChild")
	require.Regexp(t, `(?m)^digest `, out)
	return out
}

// said is what follows a word at the beginning of a line.
func said(t *testing.T, out, word string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + word + ` (\S+)`).FindStringSubmatch(out)
	require.NotNil(t, m, out)
	return m[1]
}
