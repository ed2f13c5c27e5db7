package tree_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/treetest"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

func TestApply(t *testing.T) {
	base := []string{"d usr", "d usr/lib", "f usr/lib/a old", "l lib usr/lib", "d etc", "f etc/x old"}
	for name, c := range map[string]struct{ upper, want []string }{
		"a file replaces":              {[]string{"f etc/x new"}, []string{"d etc", "f etc/x new", "l lib usr/lib", "d usr", "d usr/lib", "f usr/lib/a old"}},
		"a symlinked parent":           {[]string{"f lib/b new"}, []string{"d etc", "f etc/x old", "l lib usr/lib", "d usr", "d usr/lib", "f usr/lib/a old", "f usr/lib/b new"}},
		"a directory over a symlink":   {[]string{"d lib", "f lib/b new"}, []string{"d etc", "f etc/x old", "l lib usr/lib", "d usr", "d usr/lib", "f usr/lib/a old", "f usr/lib/b new"}},
		"a whiteout":                   {[]string{"w usr"}, []string{"d etc", "f etc/x old", "l lib usr/lib"}},
		"a whiteout of nothing":        {[]string{"w none"}, []string{"d etc", "f etc/x old", "l lib usr/lib", "d usr", "d usr/lib", "f usr/lib/a old"}},
		"a file replaces a directory":  {[]string{"f usr/lib x"}, []string{"d etc", "f etc/x old", "l lib usr/lib", "d usr", "f usr/lib x"}},
		"a directory replaces a file":  {[]string{"d etc/x", "f etc/x/y z"}, []string{"d etc", "d etc/x", "f etc/x/y z", "l lib usr/lib", "d usr", "d usr/lib", "f usr/lib/a old"}},
		"an implied directory follows": {[]string{"f usr/share/doc d"}, []string{"d etc", "f etc/x old", "l lib usr/lib", "d usr", "d usr/lib", "f usr/lib/a old", "d usr/share", "f usr/share/doc d"}},
	} {
		t.Run(name, func(t *testing.T) {
			lower := treetest.New(t, base...)
			require.NoError(t, lower.Apply(treetest.New(t, c.upper...)))
			require.Equal(t, c.want, treetest.List(t, lower))
		})
	}
}

func TestApplyKeepsMetadataUnderImpliedDirectories(t *testing.T) {
	lower := treetest.New(t)
	require.NoError(t, lower.Put("tmp", &tree.Node{Mode: 0o1777}))
	require.NoError(t, lower.Apply(treetest.New(t, "f tmp/x y")))
	require.Equal(t, uint32(0o1777), lower.Get("tmp").Mode)
	require.NoError(t, lower.Apply(treetest.New(t, "d tmp")))
	require.Equal(t, uint32(0o755), lower.Get("tmp").Mode)
	require.NotNil(t, lower.Get("tmp/x"))
}

func TestApplyOpaqueDirectoryHides(t *testing.T) {
	lower, upper := treetest.New(t, "d a", "f a/old 1"), tree.New()
	require.NoError(t, upper.Put("a", &tree.Node{Mode: 0o700, Xattrs: map[string]string{"trusted.overlay.opaque": "y"}}))
	require.NoError(t, upper.Put("a/new", &tree.Node{Type: tree.Regular, Content: tree.Inline("2")}))
	require.NoError(t, lower.Apply(upper))
	require.Equal(t, []string{"d a", "f a/new 2"}, treetest.List(t, lower))
	require.Empty(t, lower.Get("a").Xattrs)
}

// What is sealed arrives as it is, and takes the place of all that was there.
func TestApplySealedDirectory(t *testing.T) {
	upper := treetest.New(t, "d var/store", "d var/store/a", "d var/store/b", "f other new")
	store := upper.Get("var/store")
	require.NoError(t, upper.Put("var/store/a/gone", &tree.Node{Type: tree.Char}))
	upper.Get("var/store/b").Xattrs = map[string]string{"trusted.overlay.opaque": "y"}
	store.Sealed = true
	for name, below := range map[string]*tree.Tree{
		"nothing":               tree.New(),
		"a directory":           treetest.New(t, "f var/store/a/gone x", "f var/store/b/hidden y", "f var/store/old z", "f var/kept k"),
		"a file":                treetest.New(t, "f var/store x"),
		"a symlink to one":      treetest.New(t, "d srv", "l var/store /srv"),
		"a directory elsewhere": treetest.New(t, "f srv/store/old z", "l var srv"),
	} {
		require.NoError(t, below.Apply(upper), name)
		_, got := below.Resolve("var/store")
		require.Same(t, store, got, name)
		inside := tree.Tree{Root: got}
		require.True(t, inside.Get("a/gone").IsWhiteout(), name)
		require.Equal(t, "y", inside.Get("b").Xattrs["trusted.overlay.opaque"], name)
		require.Equal(t, 2, got.Len(), name)
		require.NotNil(t, below.Get("other"), name)
		require.Regexp(t, "^put var/store(/x: /var/store|: directory) is sealed$", below.Apply(treetest.New(t, "f var/store/x y")), name)
		err := below.WriteTar(io.Discard, time.Now())
		require.Regexp(t, "^write tar entry /(var|srv)/store: directory is sealed, and a tar archive cannot hold it$", err, name)
	}
}

func TestPutErrors(t *testing.T) {
	for name, c := range map[string]struct{ path, want string }{
		"out of the root":  {"a/../../x", `path "a/../../x" contains ".."`},
		"through a file":   {"etc/x/y", "put etc/x/y: /etc/x is a regular file, not a directory"},
		"dangling symlink": {"gone/x", "put gone/x: /gone is a symlink to nowhere, not to a directory of the tree"},
		"symlink loop":     {"loop/x", "put loop/x: /loop is a symlink to loop, not to a directory of the tree"},
		"NUL":              {"a\x00b", `path "a\x00b" contains a NUL byte`},
		"long name":        {strings.Repeat("n", 256), fmt.Sprintf("path %q has a name of more than 255 bytes", strings.Repeat("n", 256))},
		"the root":         {"/", "put regular file at the root: the root is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			to := treetest.New(t, "f etc/x y", "l gone nowhere", "l loop loop")
			require.EqualError(t, to.Put(c.path, &tree.Node{Type: tree.Regular}), c.want)
		})
	}
}

func TestResolve(t *testing.T) {
	in := treetest.New(t, "f usr/lib/a x", "l lib usr/lib", "l usr/abs /lib/a", "l usr/up ../lib/a", "l out ../../../usr/lib/a")
	for path, want := range map[string]string{
		"lib/a": "usr/lib/a", "/usr/abs": "usr/lib/a", "usr/up": "usr/lib/a", "out": "usr/lib/a", "none": "",
	} {
		got, n := in.Resolve(path)
		require.Equal(t, want, got, path)
		require.Equal(t, want != "", n != nil, path)
	}
}

func TestCut(t *testing.T) {
	from := treetest.New(t, "f boot/firmware/a 1", "f boot/x 2")
	require.Equal(t, []string{"f a 1"}, treetest.List(t, from.Cut("boot/firmware")))
	require.Equal(t, []string{"d boot", "d boot/firmware", "f boot/x 2"}, treetest.List(t, from))
	require.Empty(t, treetest.List(t, from.Cut("none")))
}
