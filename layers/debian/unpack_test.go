package debian

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// fakeDeb is a package in memory. Files end in a slash where they are directories, and contain " -> " where they are
// symlinks; their content is the package's name.
func fakeDeb(t *testing.T, name string, fields stanza, files ...string) *deb {
	t.Helper()
	d := &deb{
		Package:   Package{Name: name, Version: "1", Architecture: "arm64"},
		fields:    stanza{"package": name, "version": "1", "architecture": "arm64"},
		files:     tree.New(),
		conffiles: map[string]bool{},
		list:      []string{"/."},
	}
	maps.Copy(d.fields, fields)
	for _, field := range slices.Sorted(maps.Keys(d.fields)) {
		d.text += strings.ToUpper(field[:1]) + field[1:] + ": " + d.fields[field] + "\n"
	}
	for _, file := range files {
		n := &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline(name)}
		file, target, link := strings.Cut(file, " -> ")
		switch {
		case link:
			n = &tree.Node{Type: tree.Symlink, Mode: 0o777, Target: target}
		case strings.HasSuffix(file, "/"):
			n = &tree.Node{Mode: 0o755}
		}
		require.NoError(t, d.files.Put(file, n))
		d.list = append(d.list, strings.TrimSuffix(file, "/"))
	}
	return d
}

func (d *deb) with(name, text string) *deb {
	node := &tree.Node{Type: tree.Regular, Mode: 0o755, Content: tree.Inline(text)}
	d.control = append(d.control, &controlFile{name: name, node: node, text: text})
	return d
}

// show lists what is in a tree: modes of directories, targets of symlinks, contents of files.
func show(t *testing.T, files *tree.Tree) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, n := range files.Walk() {
		switch n.Type {
		case tree.Directory:
			if n.Mode != 0o755 {
				out[name] = fmt.Sprintf("%04o", n.Mode)
			}
		case tree.Symlink:
			out[name] = "-> " + n.Target
		default:
			text, err := files.ReadFile(name)
			require.NoError(t, err)
			out[name] = string(text)
		}
	}
	return out
}

func TestUnpack(t *testing.T) {
	t.Run("files land behind the symlinks of base-files", func(t *testing.T) {
		u := newUnpacked()
		require.NoError(t, u.add(
			fakeDeb(t, "base-files", nil, "/usr/lib/", "/lib -> usr/lib"),
			fakeDeb(t, "a", nil, "/lib/", "/lib/x")))
		require.Equal(t, map[string]string{"lib": "-> usr/lib", "usr/lib/x": "a"}, show(t, u.tree))
	})
	t.Run("a directory keeps the mode of the first package", func(t *testing.T) {
		a, b := fakeDeb(t, "a", nil, "/var/d/"), fakeDeb(t, "b", nil, "/var/d/", "/var/d/x")
		a.files.Get("var/d").Mode = 0o2775
		u := newUnpacked()
		require.NoError(t, u.add(a, b))
		require.Equal(t, map[string]string{"var/d": "2775", "var/d/x": "b"}, show(t, u.tree))
		require.Zero(t, b.files.Get("var/d").Mode&0o2000, "the package itself is unchanged")
	})
	t.Run("a directory is no symlink afterwards", func(t *testing.T) {
		u := newUnpacked()
		require.NoError(t, u.add(fakeDeb(t, "a", nil, "/d/", "/d/x"), fakeDeb(t, "b", nil, "/d -> e")))
		require.Equal(t, map[string]string{"d/x": "a"}, show(t, u.tree))
	})
	t.Run("configuration waits", func(t *testing.T) {
		d := fakeDeb(t, "a", nil, "/etc/a.conf", "/etc/plain")
		d.conffiles = map[string]bool{"/etc/a.conf": true, "/etc/gone": false}
		u := newUnpacked()
		require.NoError(t, u.add(d))
		require.Equal(t, map[string]string{"etc/a.conf.dpkg-new": "a", "etc/plain": "a"}, show(t, u.tree))
	})
	t.Run("diversions", func(t *testing.T) {
		u := newUnpacked()
		u.diversions = parseDiversions("/bin/x\n/bin/x.real\nb\n/bin/y\n/bin/y.local\n:\n")
		require.NoError(t, u.add(fakeDeb(t, "a", nil, "/bin/x", "/bin/y"), fakeDeb(t, "b", nil, "/bin/x")))
		require.Equal(t, map[string]string{"bin/x": "b", "bin/x.real": "a", "bin/y.local": "a"}, show(t, u.tree))
	})
	for name, replacer := range map[string]int{"the later replaces": 1, "the earlier replaces": 0} {
		t.Run(name, func(t *testing.T) {
			fields := []stanza{nil, nil}
			fields[replacer] = stanza{"replaces": "other (<< 2), old"}
			fields[1-replacer] = stanza{"provides": "old (= 1)"}
			debs := []*deb{fakeDeb(t, "a", fields[0], "/bin/x", "/bin/a"), fakeDeb(t, "b", fields[1], "/bin/x", "/bin/b")}
			u := newUnpacked()
			require.NoError(t, u.add(debs...))
			require.Equal(t, debs[replacer].Name, show(t, u.tree)["bin/x"])
			require.Contains(t, debs[replacer].list, "/bin/x")
			require.NotContains(t, debs[1-replacer].list, "/bin/x")
		})
	}
	t.Run("conflict", func(t *testing.T) {
		u := newUnpacked()
		err := u.add(
			fakeDeb(t, "base-files", nil, "/usr/bin/", "/bin -> usr/bin"),
			fakeDeb(t, "a", nil, "/bin/x"), fakeDeb(t, "b", nil, "/usr/bin/x"))
		require.EqualError(t, err, "unpack b 1 (arm64): file /usr/bin/x already belongs to package a 1 (arm64)")
	})
}

func TestRecord(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	a := fakeDeb(t, "a", stanza{"multi-arch": "same"}, "/etc/", "/etc/a.conf").
		with("control", "left out").with("conffiles", "/etc/a.conf\nremove-on-upgrade /etc/gone\n\n").with("postinst", "#!/bin/sh\n")
	a.conffiles = map[string]bool{"/etc/a.conf": true, "/etc/gone": false}
	b := fakeDeb(t, "b", nil).
		with("triggers", "# comment\ninterest name\ninterest-await /usr/lib/x\ninterest-noawait /usr/lib/x\nactivate other\n")
	u := newUnpacked()
	require.NoError(t, u.add(a, b))
	require.NoError(t, u.record("arm64", at))
	require.Equal(t, map[string]string{
		"etc/a.conf.dpkg-new": "a",
		"var/lib/dpkg/arch":   "arm64\n",
		"var/lib/dpkg/status": "Architecture: arm64\nMulti-arch: same\nPackage: a\nVersion: 1\nStatus: install ok unpacked\n" +
			"Conffiles:\n /etc/a.conf newconffile\n /etc/gone newconffile remove-on-upgrade\n\n" +
			"Architecture: arm64\nPackage: b\nVersion: 1\nStatus: install ok unpacked\n\n",
		"var/lib/dpkg/info/format":            "1\n",
		"var/lib/dpkg/info/a:arm64.list":      "/.\n/etc\n/etc/a.conf\n",
		"var/lib/dpkg/info/a:arm64.conffiles": "/etc/a.conf\nremove-on-upgrade /etc/gone\n\n",
		"var/lib/dpkg/info/a:arm64.md5sums":   "0cc175b9c0f1b6a831c399e269772661  etc/a.conf\n",
		"var/lib/dpkg/info/a:arm64.postinst":  "#!/bin/sh\n",
		"var/lib/dpkg/info/b.list":            "/.\n",
		"var/lib/dpkg/info/b.md5sums":         "",
		"var/lib/dpkg/info/b.triggers": "# comment\ninterest name\ninterest-await /usr/lib/x\n" +
			"interest-noawait /usr/lib/x\nactivate other\n",
		"var/lib/dpkg/triggers/File": "/usr/lib/x b\n/usr/lib/x b/noawait\n",
		"var/lib/dpkg/triggers/name": "b\n",
	}, show(t, u.tree))
	require.Equal(t, uint32(0o755), u.tree.Get("var/lib/dpkg/info/a:arm64.postinst").Mode)
}

func TestAutomatic(t *testing.T) {
	debs := []*deb{
		fakeDeb(t, "libc6", nil), fakeDeb(t, "bash", stanza{"essential": "yes"}), fakeDeb(t, "apt", nil),
		fakeDeb(t, "mount", stanza{"priority": "required"}), fakeDeb(t, "vim", nil),
	}
	require.Equal(t, "Package: libc6\nArchitecture: arm64\nAuto-Installed: 1\n\n", automatic(debs, "arm64", []string{"vim:arm64"}))
}

func TestEarly(t *testing.T) {
	debs := []*deb{
		fakeDeb(t, "vim", stanza{"depends": "libc6, vim-runtime"}),
		fakeDeb(t, "vim-runtime", nil),
		fakeDeb(t, "bash", stanza{"essential": "yes", "depends": "libtinfo | none", "pre-depends": "libc6 (>= 2)"}),
		fakeDeb(t, "libc6", nil),
		fakeDeb(t, "libtinfo6", stanza{"provides": "libtinfo (= 6)", "depends": "bash"}),
		fakeDeb(t, "kernel", stanza{"pre-depends": "linux-base"}).with("preinst", ""),
		fakeDeb(t, "linux-base", nil),
		fakeDeb(t, "other", stanza{"pre-depends": "vim-runtime"}),
	}
	var names []string
	for _, d := range early(debs) {
		names = append(names, d.Name)
	}
	require.Equal(t, []string{"bash", "libc6", "libtinfo6", "linux-base"}, names)
}

func TestBatches(t *testing.T) {
	debs := []*deb{
		fakeDeb(t, "base", stanza{"essential": "yes", "pre-depends": "libc"}).with("preinst", "#!/bin/sh\n"),
		fakeDeb(t, "libc", nil).with("postinst", "#!/bin/sh\n"),
		fakeDeb(t, "app", stanza{"pre-depends": "base, service"}).with("preinst", "#!/bin/sh\n"),
		fakeDeb(t, "service", stanza{"pre-depends": "tool", "depends": "data"}).with("preinst", "#!/bin/sh\n"),
		fakeDeb(t, "tool", nil).with("postinst", "#!/bin/sh\n"),
		fakeDeb(t, "data", nil),
		fakeDeb(t, "linked", stanza{"pre-depends": "data"}).with("preinst", "#!/bin/sh\n"), // which needs no configuring
		fakeDeb(t, "quiet", stanza{"pre-depends": "tool"}),
	}
	names := func(sets [][]*deb) (out [][]string) {
		for _, set := range sets {
			var of []string
			for _, d := range set {
				of = append(of, d.Name)
			}
			out = append(out, of)
		}
		return out
	}
	require.Equal(t, [][]string{{"base", "libc", "tool", "data"}, {"service"}, {"app", "linked", "quiet"}}, names(batches(debs)))
	chicken := fakeDeb(t, "chicken", stanza{"pre-depends": "egg"}).with("preinst", "#!/bin/sh\n")
	egg := fakeDeb(t, "egg", stanza{"pre-depends": "chicken"}).with("preinst", "#!/bin/sh\n").with("postinst", "#!/bin/sh\n")
	require.Equal(t, [][]string{{"chicken", "egg"}}, names(batches([]*deb{chicken, egg})))
}

func TestStatOverrides(t *testing.T) {
	files := filesTree(t, map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\nme:x:101:102::/:/bin/sh\n", "etc/group": "root:x:0:\nus:x:102:\n",
		overridesDB: "me us 4750 /usr/bin/x\n#7 #8 600 /etc/a b\n"})
	got, err := readStatOverrides(files)
	require.NoError(t, err)
	require.Equal(t, statOverrides{"/usr/bin/x": {101, 102, 0o4750}, "/etc/a b": {7, 8, 0o600}}, got)
	for line, text := range map[string]string{
		"me us 4750":         `read /var/lib/dpkg/statoverride: line "me us 4750" is not USER GROUP MODE PATH`,
		"they us 4750 /x":    "statoverride of /x: /etc/passwd has no account they",
		"me us 4790 /x":      `statoverride of /x: mode "4790" is not an octal number`,
		"#many us 4750 /x":   `statoverride of /x: strconv.ParseUint: parsing "many": invalid syntax`,
		"me staff 4750 /x y": "statoverride of /x y: /etc/group has no account staff",
	} {
		require.NoError(t, files.Put(overridesDB, &tree.Node{Type: tree.Regular, Content: tree.Inline(line)}))
		_, err := readStatOverrides(files)
		require.EqualError(t, err, text)
	}
}
