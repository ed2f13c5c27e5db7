package script

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

var date = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// hostTree is a small tree of the building machine's programs, so that nothing has to be emulated.
func hostTree(t *testing.T) *tree.Tree {
	t.Helper()
	files := treetest.Host(t, date, "sh", "cat", "ls", "rm", "touch", "env", "id", "mkdir", "sleep", "cp", "tty", "script")
	old := &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: date, Content: tree.Inline("old\n")}
	require.NoError(t, files.Put("etc/old", old))
	return files
}

func testEnv(t *testing.T) *layers.Env {
	t.Helper()
	needs.Root(t)
	return &layers.Env{Dir: t.TempDir(), Scratch: t.TempDir(), Cache: t.TempDir(), Latest: date}
}

func run(t *testing.T, script string) Layer {
	return Layer{Architecture: sandbox.Host(), Date: date, Script: script}
}

// input writes a file beside the recipe.
func input(t *testing.T, env *layers.Env, name, content string) layers.File {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(env.Dir, name), []byte(content), 0o600))
	sum := sha256.Sum256([]byte(content))
	return layers.File{Path: "/" + name, Type: "file", Mode: 0o644, Source: name, SHA256: hex.EncodeToString(sum[:])}
}

// TestStandardFiles: scripts open their standard files by name, and terminals of their own.
func TestStandardFiles(t *testing.T) {
	env := testEnv(t)
	var said []string
	env.Progress = func(p layers.Progress) { said = append(said, p.Message) }
	l := run(t, `
echo by name >/dev/stderr
echo appended >>/dev/stdout
echo by number >/proc/self/fd/2
cat </dev/stdin
script --quiet --return --command 'tty; test -t 0 && echo a terminal >/opt/seen' /opt/typescript </dev/null
`)
	tree, err := l.Make(t.Context(), env, hostTree(t))
	require.NoError(t, err)
	require.Subset(t, said, []string{"by name", "appended", "by number", "/dev/pts/0"})
	text, err := tree.ReadFile("opt/seen")
	require.NoError(t, err)
	require.Equal(t, "a terminal\n", string(text))
}

func TestRun(t *testing.T) {
	env := testEnv(t)
	t.Setenv("PKBUILD_TEST_ENVIRONMENT", "of the building machine")
	l := run(t, `
mkdir /opt/made
cat /run/pkbuild/inputs/data >/opt/made/data
touch -d 2000-01-01 /opt/made/older
rm /etc/old
echo log >/var/log/log; echo x >/tmp/x; echo x >/run/x
if echo x 2>/dev/null >/run/pkbuild/inputs/data; then echo inputs are writable; exit 1; fi
{
	env
	id -u
	umask
	cat /proc/sys/kernel/hostname
	echo $PWD
	tty || :
	ls /sys/class/net
	if cat /proc/1/environ /proc/1/root/etc/passwd 2>/dev/null; then echo the supervisor is open; exit 1; fi
} >/opt/seen
`)
	l.Inputs = []layers.File{input(t, env, "data", "content of the input\n")}
	tree, err := l.Make(t.Context(), env, hostTree(t))
	require.NoError(t, err)

	data, err := tree.ReadFile("opt/made/data")
	require.NoError(t, err)
	require.Equal(t, "content of the input\n", string(data))
	require.Equal(t, date, tree.Get("opt/made/data").ModTime.UTC())
	require.Equal(t, 2000, tree.Get("opt/made/older").ModTime.Year())
	require.True(t, tree.Get("etc/old").IsWhiteout())
	for _, name := range []string{"var/log/log", "tmp/x", "run/x", "run/pkbuild", "usr"} {
		require.Nil(t, tree.Get(name), name)
	}
	seen, err := tree.ReadFile("opt/seen")
	require.NoError(t, err)
	require.NotContains(t, string(seen), "of the building machine")
	for _, line := range []string{"0", "0022", "localhost", "/", "not a tty", "lo", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", date.Unix()), "HOME=/root"} {
		require.Contains(t, strings.Split(string(seen), "\n"), line)
	}

	env.Scratch = t.TempDir()
	again, err := l.Make(t.Context(), env, hostTree(t))
	require.NoError(t, err)
	require.Equal(t, digest(t, tree), digest(t, again))
}

func digest(t *testing.T, tree *tree.Tree) string {
	t.Helper()
	h := sha256.New()
	require.NoError(t, tree.WriteTar(h, date))
	return hex.EncodeToString(h.Sum(nil))
}

func TestInterpreter(t *testing.T) {
	tree, err := run(t, "#!/usr/bin/env -S sh -e\necho $0 >/opt/name\n").Make(t.Context(), testEnv(t), hostTree(t))
	require.NoError(t, err)
	name, err := tree.ReadFile("opt/name")
	require.NoError(t, err)
	require.Equal(t, "/run/pkbuild/script\n", string(name))
}

// TestNetwork asks for a connection to the machine itself: a script has it only if the recipe says so.
func TestNetwork(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	links := map[string]string{"none": "", "to a service's": "../run/resolver/stub.conf", "absolute": "/run/stub.conf", "elsewhere": "../x"}
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			base := hostTree(t)
			if link != "" {
				require.NoError(t, base.Put("etc/resolv.conf", &tree.Node{Type: tree.Symlink, Target: link}))
			}
			l := run(t, "cp /etc/resolv.conf /opt/ 2>/dev/null || :\n")
			l.Network = true
			tree, err := l.Make(t.Context(), testEnv(t), base)
			require.NoError(t, err)
			require.Equal(t, link != "../x", tree.Get("opt/resolv.conf") != nil)
			require.Nil(t, tree.Get("etc/resolv.conf"), "the machine's resolver is in the image")
		})
	}
	for _, network := range []bool{false, true} {
		l := run(t, "cat /proc/net/tcp >/opt/tcp\ncp /etc/resolv.conf /opt/ 2>/dev/null || :\n")
		l.Network = network
		tree, err := l.Make(t.Context(), testEnv(t), hostTree(t))
		require.NoError(t, err)
		listening, err := tree.ReadFile("opt/tcp")
		require.NoError(t, err)
		require.Equal(t, network, strings.Contains(string(listening), fmt.Sprintf("0100007F:%04X", port)))
		require.Equal(t, network, tree.Get("opt/resolv.conf") != nil)
		require.Nil(t, tree.Get("etc/resolv.conf"), "the machine's resolver is in the image")
	}
}

func TestErrors(t *testing.T) {
	const secret = "correct horse battery staple"
	for name, test := range map[string]struct {
		script string
		layer  Layer
		want   string
	}{
		"exit status":   {"echo before it failed; exit 3", Layer{}, "run the script: exit status 3\nbefore it failed"},
		"first failure": {"cat /nonexistent\necho not reached", Layer{}, "run the script: exit status 1\ncat: /nonexistent: No such file or directory"},
		"masked": {"cat /run/pkbuild/secrets/word; exit 1", Layer{Secrets: []string{"word"}},
			"run the script: exit status 1\n(word)"},
		"secret left": {"cat /run/pkbuild/secrets/word >/opt/word", Layer{Secrets: []string{"word"}},
			"the script left the secret word in /opt/word: layers are kept in a cache, and hold none"},
		"secret without a value": {"", Layer{Secrets: []string{"other"}},
			"secret other, which the script needs, has no value: set the variable or write the file that the recipe's secrets name"},
		"an ID left":     {"echo 0123456789abcdef >/etc/machine-id", Layer{}, "the build left /etc/machine-id: an ID that all devices would share"},
		"no interpreter": {"#!/bin/nonexistent\n", Layer{}, "run the script: start /run/pkbuild/script: no such file or directory (is the interpreter in its first line there?)"},
	} {
		t.Run(name, func(t *testing.T) {
			env := testEnv(t)
			env.Secret = func(name string) ([]byte, error) {
				if name == "word" {
					return []byte(secret), nil
				}
				return nil, nil
			}
			l := test.layer
			l.Architecture, l.Date, l.Script = sandbox.Host(), date, test.script
			_, err := l.Make(t.Context(), env, hostTree(t))
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestSecretLeavesNothing(t *testing.T) {
	const secret = "a secret that is found nowhere else"
	env := testEnv(t)
	env.Keep = true // what it leaves lies on the disk
	env.Secret = func(string) ([]byte, error) { return []byte(secret), nil }
	var said []string
	env.Progress = func(p layers.Progress) { said = append(said, p.Message) }
	l := run(t, "cat /run/pkbuild/secrets/word; echo\nls -l /run/pkbuild/secrets/word\necho used >/opt/used\n")
	l.Secrets = []string{"word"}
	tree, err := l.Make(t.Context(), env, hostTree(t))
	require.NoError(t, err)
	require.NotNil(t, tree.Get("opt/used"))
	require.Equal(t, "(word)", said[0])
	require.Contains(t, said[1], "-r--------")
	for _, dir := range []string{env.Scratch, env.Cache} {
		out, _ := exec.Command("grep", "-rl", secret, dir).Output()
		require.Empty(t, string(out))
	}
}

func TestOwnResolver(t *testing.T) {
	tree, err := run(t, "echo nameserver 192.0.2.1 >/etc/resolv.conf\n").Make(t.Context(), testEnv(t), hostTree(t))
	require.NoError(t, err)
	text, err := tree.ReadFile("etc/resolv.conf")
	require.NoError(t, err)
	require.Equal(t, "nameserver 192.0.2.1\n", string(text))
}

func TestCancelled(t *testing.T) {
	env := testEnv(t)
	ctx, cancel := context.WithCancel(t.Context())
	env.Progress = func(layers.Progress) { cancel() }
	_, err := run(t, "echo started; sleep 1000 & sleep 1000").Make(ctx, env, hostTree(t))
	require.ErrorIs(t, err, context.Canceled)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	require.NotContains(t, string(mounts), env.Scratch)
	require.NoError(t, os.RemoveAll(env.Scratch))
}
