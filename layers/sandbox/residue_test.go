package sandbox

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestCheckResidue(t *testing.T) {
	began := time.Now()
	old := began.Add(-time.Hour)
	file := func(text string, at time.Time) *tree.Node {
		return &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: at, Content: tree.Inline(text)}
	}
	tests := map[string]string{ // by path
		"etc/resolv.conf":                   "the name servers of the building machine",
		"etc/machine-id":                    "an ID that all devices would share",
		"var/lib/dbus/machine-id":           "an ID that all devices would share",
		"etc/ssh/ssh_host_ed25519_key":      "a key that all devices would share",
		"etc/ssh/ssh_host_rsa_key.pub":      "a key that all devices would share",
		"var/lib/systemd/random-seed":       "a seed that all devices would share",
		"var/lib/systemd/credential.secret": "a secret that all devices would share",
		"usr/sbin/policy-rc.d":              "a ban on starting services",
		"usr/lib/pkbuild/dpkg":              "a tool of the build",
		"var/log/apt/history.log":           "a log of the build",
		"tmp/x":                             "a temporary file of the build",
		"var/tmp/x/y":                       "a temporary file of the build",
		"run/x":                             "a temporary file of the build",
		"var/cache/apt/pkgcache.bin":        "a cache of the build",
		"var/lib/apt/lists/x_Packages":      "a cache of the build",
		"var/cache/ldconfig/aux-cache":      "a cache of the build",
	}
	for _, r := range residues {
		require.Condition(t, func() bool {
			for name := range tests {
				if r.matches(name) {
					return true
				}
			}
			return false
		}, "no test of %s", r.pattern)
	}
	hosts, err := os.ReadFile("/etc/resolv.conf")
	require.NoError(t, err)
	for name, what := range tests {
		tree := tree.New()
		text := "x"
		if name == "etc/resolv.conf" {
			text = string(hosts)
		}
		require.NoError(t, tree.Put(name, file(text, old)))
		require.EqualError(t, CheckResidue(tree, began), "the build left /"+name+": "+what)
	}

	own := tree.New()
	require.NoError(t, own.Put("etc/resolv.conf", file(strings.Repeat("#", len(hosts)), old)))
	require.NoError(t, CheckResidue(own, began))

	fine := tree.New()
	for name, n := range map[string]*tree.Node{
		"etc/resolv.conf":     {Type: tree.Symlink, Target: "../run/systemd/resolve/stub-resolv.conf"},
		"etc/machine-id":      file("", old),
		"etc/ssh/sshd_config": file("x", old),
		"var/log/wtmp":        file("", old),
		"var/log/apt":         {Mode: 0o755},
		"run/lock":            {Mode: 0o1777},
		"etc/later":           file("x", began.Add(time.Hour)), // a package that is younger than this machine's clock
	} {
		require.NoError(t, fine.Put(name, n))
	}
	require.NoError(t, CheckResidue(fine, began))
	require.NoError(t, fine.Put("etc/now", file("x", began)))
	require.EqualError(t, CheckResidue(fine, began), "the build left its time on /etc/now: "+began.UTC().Format(time.RFC3339))
}

// TestPrograms has programs of the building machine among the changes of scripts.
func TestPrograms(t *testing.T) {
	program := string(header(Host())) + strings.Repeat("x", 50)
	foreign := string(header("armhf")) + strings.Repeat("x", 50)
	tool := func(text string) *tree.Node {
		return &tree.Node{Type: tree.Regular, Content: tree.Inline(text)}
	}
	for name, test := range map[string]struct{ path, content, err string }{
		"program": {"opt/x", program, "a script left /opt/x, a program of the building machine's architecture (" + Host() + ")"},
		"library": {"usr/lib/" + Triplet(Host()) + "/x", "x",
			"a script wrote /usr/lib/" + Triplet(Host()) + "/x, which belongs to the building machine's architecture (" + Host() + ")"},
		"of libraries": {"etc/ld.so.cache", "/lib/" + Triplet(Host()) + "/libc.so.6",
			"/etc/ld.so.cache names libraries of the building machine's architecture (" + Host() + ")"},
		"of another":  {"opt/x", foreign, ""},
		"of the tree": {"usr/bin/sed", "the tool sed", ""},
	} {
		changes, tools, tree := tree.New(), tree.New(), tree.New()
		require.NoError(t, tools.Put("usr/bin/sed", tool("the tool sed")))
		require.NoError(t, tree.Put("usr/bin/sed", tool("the tree's sed")))
		require.NoError(t, changes.Put(test.path, tool(test.content)))
		err := restore(changes, tools, tree)
		if test.err != "" {
			require.EqualError(t, err, test.err, name)
			continue
		}
		require.NoError(t, err, name)
	}
	changes, tools, tree := tree.New(), tree.New(), tree.New()
	require.NoError(t, tools.Put("usr/bin/sed", tool("the tool sed")))
	require.NoError(t, tree.Put("usr/bin/sed", tool("the tree's sed")))
	require.NoError(t, changes.Put("usr/bin/sed", tool("the tool sed")))
	require.NoError(t, restore(changes, tools, tree))
	text, err := changes.ReadFile("usr/bin/sed")
	require.NoError(t, err)
	require.Equal(t, "the tree's sed", string(text))
}
