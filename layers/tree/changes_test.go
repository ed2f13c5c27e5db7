package tree_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// changesOf lists the entries of the layer that makes a tree of another one.
func changesOf(t *testing.T, now, below *tree.Tree) []string {
	t.Helper()
	var out bytes.Buffer
	n, err := now.WriteChanges(&out, below, time.Unix(1000, 0))
	require.NoError(t, err)
	var list []string
	for in := tar.NewReader(&out); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			require.Len(t, list, n)
			return list
		}
		require.NoError(t, err)
		line := fmt.Sprintf("%c %04o %d:%d @%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.Unix(), h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		for key, value := range h.PAXRecords {
			if strings.HasPrefix(key, "SCHILY.xattr.") {
				line += fmt.Sprintf(" %s=%s", key, value)
			}
		}
		list = append(list, line)
	}
}

// base is a tree as a layer below would leave it.
func baseTree(t *testing.T) *tree.Tree {
	base := tree.New()
	at := time.Unix(500, 0)
	put := func(name string, n tree.Node) {
		n.ModTime = at
		require.NoError(t, base.Put(name, &n))
	}
	put("usr/lib", tree.Node{Mode: 0o755})
	put("lib", tree.Node{Type: tree.Symlink, Mode: 0o777, Target: "usr/lib"})
	put("tmp", tree.Node{Mode: 0o1777})
	put("var/data", tree.Node{Mode: 0o700, UID: 7, GID: 8})
	put("var/data/kept", tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline("kept")})
	put("var/data/gone", tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline("gone")})
	put("var/old/file", tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline("old")})
	return base
}

func TestChanges(t *testing.T) {
	file := func(text string) *tree.Node {
		return &tree.Node{Type: tree.Regular, Mode: 0o644, ModTime: time.Unix(2000, 0), Content: tree.Inline(text)}
	}
	for name, c := range map[string]struct {
		upper func(t *tree.Tree) error
		want  []string
	}{
		"nothing": {func(*tree.Tree) error { return nil }, nil},
		"the directory on the way keeps its owner and mode": {
			func(u *tree.Tree) error { return u.Put("var/data/new", file("x")) },
			[]string{"5 0755 0:0 @1000 var/", "5 0700 7:8 @500 var/data/", "0 0644 0:0 @1000 var/data/new"},
		},
		"a symlink on the way is followed": {
			func(u *tree.Tree) error { return u.Put("lib/new", file("x")) },
			[]string{"5 0755 0:0 @1000 usr/", "5 0755 0:0 @500 usr/lib/", "0 0644 0:0 @1000 usr/lib/new"},
		},
		"what is gone": {
			func(u *tree.Tree) error { return u.Put("var/data/gone", &tree.Node{Type: tree.Char}) },
			[]string{"5 0755 0:0 @1000 var/", "5 0700 7:8 @500 var/data/", "0 0644 0:0 @1000 var/data/.wh.gone"},
		},
		"what was not there is not gone": {func(u *tree.Tree) error { return u.Put("var/none", &tree.Node{Type: tree.Char}) }, nil},
		"an opaque directory": {
			func(u *tree.Tree) error {
				err := u.Put("var/data", &tree.Node{Mode: 0o700, UID: 7, GID: 8, ModTime: time.Unix(500, 0), Xattrs: map[string]string{"trusted.overlay.opaque": "y"}})
				return errors.Join(err, u.Put("var/data/new", file("x")))
			},
			[]string{"5 0755 0:0 @1000 var/", "5 0700 7:8 @500 var/data/", "0 0644 0:0 @1000 var/data/.wh.gone",
				"0 0644 0:0 @1000 var/data/.wh.kept", "0 0644 0:0 @1000 var/data/new"},
		},
		"a directory with another mode": {
			func(u *tree.Tree) error {
				return u.Put("var/data", &tree.Node{Mode: 0o750, UID: 7, GID: 8, ModTime: time.Unix(500, 0)})
			},
			[]string{"5 0755 0:0 @1000 var/", "5 0750 7:8 @500 var/data/"},
		},
		"a file in place of a directory": {
			func(u *tree.Tree) error {
				return errors.Join(u.Put("var/old", &tree.Node{Type: tree.Char}), u.Put("tmp", file("x")))
			},
			[]string{"0 0644 0:0 @1000 tmp", "5 0755 0:0 @1000 var/", "0 0644 0:0 @1000 var/.wh.old"},
		},
		"a directory in place of a file": {
			func(u *tree.Tree) error {
				return u.Put("var/data/kept", &tree.Node{Mode: 0o700, ModTime: time.Unix(5, 0)})
			},
			[]string{"5 0755 0:0 @1000 var/", "5 0700 7:8 @500 var/data/", "5 0700 0:0 @5 var/data/kept/"},
		},
		"hard links, devices and attributes": {
			func(u *tree.Tree) error {
				n := file("x")
				n.Xattrs = map[string]string{"security.capability": "cap"}
				return errors.Join(u.Put("a", n), u.Put("b", n), u.Put("null", &tree.Node{Type: tree.Char, Mode: 0o666, Major: 1, Minor: 3, ModTime: time.Unix(5, 0)}))
			},
			[]string{"0 0644 0:0 @1000 a SCHILY.xattr.security.capability=cap", "1 0644 0:0 @1000 b -> a", "3 0666 0:0 @5 null"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			below, upper := baseTree(t), tree.New()
			require.NoError(t, c.upper(upper))
			now := below.Clone()
			require.NoError(t, now.Apply(upper))
			require.Equal(t, c.want, changesOf(t, now, below))
		})
	}
}

func TestChangesOfAName(t *testing.T) {
	now := tree.New()
	require.NoError(t, now.Put("etc/.wh.x", &tree.Node{Type: tree.Regular}))
	_, err := now.WriteChanges(io.Discard, tree.New(), time.Time{})
	require.EqualError(t, err, "/etc/.wh.x: in a container a name that starts with .wh. stands for a file that is deleted")
}

func TestCloneIsItsOwn(t *testing.T) {
	files := baseTree(t)
	clone := files.Clone()
	clone.Remove("var/data/kept")
	require.NotNil(t, files.Get("var/data/kept"))
	require.Same(t, files.Get("var/old/file"), clone.Get("var/old/file"))
}
