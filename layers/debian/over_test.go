package debian

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// files is a tree of regular files.
func filesTree(t *testing.T, files map[string]string) *tree.Tree {
	t.Helper()
	rootfs := tree.New()
	for name, text := range files {
		require.NoError(t, rootfs.Put(name, &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: date, Content: tree.Inline(text)}))
	}
	return rootfs
}

func TestInherit(t *testing.T) {
	files := filesTree(t, map[string]string{
		"var/lib/dpkg/status":         "Package: libc6\n",
		"var/lib/apt/extended_states": "auto\n",
		"etc/apt/preferences.d/pin":   "Package: *\n",
		"etc/apt/sources.list": "deb [arch=arm64 signed-by=/etc/apt/keyrings/v.gpg] http://vendor.example/etc/debian/ trixie main\n" +
			"deb http://ftp.debian.org/debian trixie main\ndeb http://ftp.debian.org/debian-security trixie-security main\n",
		"etc/apt/sources.list.d/debian.sources": "URIs: https://ftp.debian.org/debian/\nsigned-By:\t/usr/share/keyrings/d.pgp\n",
		"etc/apt/keyrings/v.gpg":                "vendor's",
		"usr/share/keyrings/d.pgp":              "debian's",
		"etc/apt/trusted.gpg.d/old.gpg":         "old",
	})
	in, err := inherit(files, "http://mirror.example/debian")
	require.NoError(t, err)
	require.Equal(t, inherited{
		"etc/apt/preferences.d/pin": []byte("Package: *\n"),
		"etc/apt/sources.list": []byte("deb [arch=arm64 signed-by=@ROOT@/keys/etc-apt-keyrings-v.gpg] http://vendor.example/etc/debian/ trixie main\n" +
			"deb http://mirror.example/debian trixie main\ndeb http://ftp.debian.org/debian-security trixie-security main\n"),
		"etc/apt/sources.list.d/debian.sources": []byte("URIs: http://mirror.example/debian/\nsigned-By:\t@ROOT@/keys/usr-share-keyrings-d.pgp\n"),
		"keys/etc-apt-keyrings-v.gpg":           []byte("vendor's"),
		"keys/usr-share-keyrings-d.pgp":         []byte("debian's"),
		"etc/apt/trusted.gpg.d/old.gpg":         []byte("old"),
	}, in)

	files.Remove("usr/share/keyrings/d.pgp")
	_, err = inherit(files, "")
	require.EqualError(t, err, "keys of the base's package sources: /usr/share/keyrings/d.pgp is not in the tree")
	have, err := installed(files)
	require.NoError(t, err)
	require.Equal(t, inherited{"status": []byte("Package: libc6\n"), "var/lib/apt/extended_states": []byte("auto\n")}, have)
	_, err = installed(tree.New())
	require.EqualError(t, err, "/var/lib/dpkg/status is not in the tree: packages can only be installed over a base with a dpkg database")
}

func TestCodename(t *testing.T) {
	name, err := codename(filesTree(t, map[string]string{"etc/os-release": "ID=raspbian\nVERSION_CODENAME=\"trixie\"\n"}))
	require.NoError(t, err)
	require.Equal(t, "trixie", name)
	_, err = codename(filesTree(t, map[string]string{"etc/os-release": "ID=x\n"}))
	require.EqualError(t, err, "/etc/os-release of the base has no VERSION_CODENAME, so its suite is unknown")
}

func TestWaves(t *testing.T) {
	debs := []*deb{
		fakeDeb(t, "app", stanza{"pre-depends": "service | none"}),
		fakeDeb(t, "service", stanza{"depends": "library"}),
		fakeDeb(t, "library", stanza{"pre-depends": "setup, there-already"}),
		fakeDeb(t, "tool", stanza{"provides": "setup"}),
		fakeDeb(t, "chicken", stanza{"pre-depends": "egg"}),
		fakeDeb(t, "egg", stanza{"depends": "chicken"}),
	}
	var got [][2][]string
	names := func(debs []*deb) (out []string) {
		for _, d := range debs {
			out = append(out, d.Name)
		}
		return out
	}
	for _, w := range waves(debs) {
		got = append(got, [2][]string{names(w.configure), names(w.unpack)})
	}
	require.Equal(t, [][2][]string{
		{nil, {"service", "tool", "egg"}},
		{{"tool"}, {"library"}},
		{{"service", "library"}, {"app"}},
		{nil, {"chicken"}},
	}, got)
}

func TestInstallScript(t *testing.T) {
	a, b := fakeDeb(t, "a", stanza{"multi-arch": "same"}), fakeDeb(t, "b", stanza{"pre-depends": "a"})
	const dpkg = "dpkg --force-unsafe-io --force-confold --abort-after=1"
	require.Equal(t, "set -eu\ncd /\n"+
		dpkg+" --no-triggers --unpack /usr/lib/pkbuild/debs/a_arm64.deb\n"+
		dpkg+" --no-triggers --configure a:arm64\n"+
		dpkg+" --no-triggers --unpack /usr/lib/pkbuild/debs/b_arm64.deb\n"+
		dpkg+" --configure --pending\n", installScript(waves([]*deb{a, b})))
}

// TestOver installs a package in a tree that is there.
func TestOver(t *testing.T) {
	t.Parallel()
	env, base := testEnv(t), testLayer()
	base.Lock = baseLock(t, env, base)
	below := baseTree(t, env, base)
	l := base
	l.Over, l.Packages, l.Lock = OverLayers, []string{"app"}, &Lock{Tools: base.Lock.Tools}
	l.Lock.addPackage(t, "app", map[string]string{"postinst": strings.Replace(prober, "ln /", "ln -f /", 1), "control": "Depends: library\n"})
	l.Lock.addPackage(t, "library", map[string]string{"triggers": "interest-noawait /opt\n"})
	before := digestOf(t, below)
	var digests []string
	for range 2 {
		own := *env
		own.Scratch, own.Mirror = t.TempDir(), "http://127.0.0.1:1"
		began := time.Now()
		changes, err := l.Make(t.Context(), &own, below)
		require.NoError(t, err)
		digests = append(digests, digestOf(t, changes))
		require.Equal(t, below.Get("usr/bin/sed").Content.Size, changes.Get("opt/copy").Content.Size)
		require.NoError(t, sandbox.CheckResidue(changes, began))
		for _, name := range append(sandbox.TemporaryFiles(), "etc/hostname", "etc/machine-id", "etc/resolv.conf", "usr/lib/pkbuild", "usr/bin/dpkg") {
			require.Nil(t, changes.Get(name), name)
		}
		for name, lines := range map[string][]string{
			statusFile: {"Package: base-files\n", "\nPackage: library\nStatus: install ok installed\n", "Package: app\nStatus: install ok installed\n"},
			autoFile:   {"Package: libc6\n", "Package: library\n"},
		} {
			text, err := changes.ReadFile(name)
			require.NoError(t, err)
			for _, line := range lines {
				require.True(t, strings.Contains(string(text), line), line)
			}
			require.False(t, strings.Contains(string(text), "Status: install ok unpacked"))
		}
	}
	require.Equal(t, digests[0], digests[1])
	require.Equal(t, before, digestOf(t, below), "what lies below stays")

	none := l
	none.Lock = &Lock{Tools: base.Lock.Tools}
	changes, err := none.Make(t.Context(), env, below)
	require.NoError(t, err)
	require.Equal(t, digestOf(t, tree.New()), digestOf(t, changes))
}

// TestToolsLeaveTheConfigurationAlone: what ldconfig is told is the tree's.
func TestToolsLeaveTheConfigurationAlone(t *testing.T) {
	files := filesTree(t, map[string]string{})
	target := testLayer().Architecture
	for _, name := range []string{"etc/ld.so.conf.d/%s.conf", "usr/lib/%s/perl/x"} {
		require.NoError(t, files.Put(fmt.Sprintf(name, sandbox.Triplet(target)), &tree.Node{Type: tree.Regular}))
		host := fmt.Sprintf(name, sandbox.Triplet(sandbox.Host()))
		got, err := native(host, &tree.Node{Type: tree.Regular}, &deb{}, &ownership{tree: files}, target)
		require.NoError(t, err)
		require.Equal(t, strings.HasPrefix(name, "usr/"), got, host)
	}
}
