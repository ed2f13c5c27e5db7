package layers_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
)

// tarOf is a tree as a tar, by which trees can be compared.
func tarOf(t *testing.T, tree *layers.Tree) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, tree.WriteTar(&b, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
	return b.Bytes()
}

// extractable is a tree with everything that Extract has to bring over.
func extractable(t *testing.T) *layers.Tree {
	t.Helper()
	when := time.Unix(1234567890, 987_654_321)
	tree := layers.NewTree()
	put := func(name string, n layers.Node) *layers.Node {
		n.ModTime = when.Add(time.Duration(len(name)) * time.Second)
		require.NoError(t, tree.Put(name, &n))
		return &n
	}
	put("", layers.Node{Mode: 0o751, UID: 3})
	put("closed", layers.Node{Mode: 0o500, UID: 1, GID: 2, Xattrs: map[string]string{"trusted.x": "directory"}})
	large := strings.Repeat("0123456789abcdef", 3<<16) + "end"
	put("closed/large", layers.Node{Type: layers.Regular, Mode: 0o600, UID: 70000, GID: 80000, Content: layers.Inline(large)})
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	program := put("program", layers.Node{Type: layers.Regular, Mode: 0o6755, UID: 4, GID: 5, Content: layers.Inline("ELF"),
		Xattrs: map[string]string{"security.capability": capability}})
	require.NoError(t, tree.Put("closed/hard", program))
	put("shared", layers.Node{Mode: 0o3777, GID: 50})
	put("shared/empty", layers.Node{Type: layers.Regular, Mode: 0})
	link := put("shared/link", layers.Node{Type: layers.Symlink, Mode: 0o777, UID: 6, Target: "../no\nwhere"})
	require.NoError(t, tree.Put("shared/link2", link))
	put("null", layers.Node{Type: layers.Char, Mode: 0o666, Major: 1, Minor: 3})
	put("disk", layers.Node{Type: layers.Block, Mode: 0o660, GID: 6, Major: 259, Minor: 70000, Xattrs: map[string]string{"trusted.x": "y"}})
	put("fifo", layers.Node{Type: layers.Fifo, Mode: 0o640, GID: 7})
	return tree
}

func TestExtract(t *testing.T) {
	needs.Root(t)
	umask := unix.Umask(0o077)
	defer unix.Umask(umask)
	dir := t.TempDir()
	tree := extractable(t)
	require.NoError(t, tree.Extract(t.Context(), dir))
	got, err := layers.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, listTree(t, tree), listTree(t, got))
	require.Equal(t, tarOf(t, tree), tarOf(t, got), "owners, modes, times, extended attributes")
}

// A directory that nobody put there is a new one, and a time that nobody told is no error.
func TestExtractImplied(t *testing.T) {
	needs.Root(t)
	dir, began := t.TempDir(), time.Now().Add(-time.Second)
	tree := layers.NewTree()
	require.NoError(t, tree.Put("a/b", &layers.Node{Type: layers.Regular, Mode: 0o644, Content: layers.Inline("x")}))
	require.NoError(t, tree.Extract(t.Context(), dir))
	got, err := layers.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, uint32(0o755), got.Get("a").Mode)
	require.True(t, got.Get("a").ModTime.After(began), got.Get("a").ModTime)
	require.Equal(t, time.Unix(0, 0).UTC(), got.Get("a/b").ModTime)
}

type brokenReader struct{}

func (brokenReader) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is broken") }

func TestExtractErrors(t *testing.T) {
	needs.Root(t)
	file := func(c layers.Content) *layers.Node { return &layers.Node{Type: layers.Regular, Content: c} }
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		node *layers.Node
		ctx  context.Context
		want string
	}{
		{"short", file(layers.Content{ReaderAt: strings.NewReader("abc"), Size: 5}), t.Context(), "make regular file /d/short: read its content: unexpected EOF"},
		{"broken", file(layers.Content{ReaderAt: brokenReader{}, Size: 5}), t.Context(), "make regular file /d/broken: read its content: the disk is broken"},
		{"stopped", file(layers.Inline("text")), cancelled, "make regular file /d/stopped: context canceled"},
		{"sealed", &layers.Node{Sealed: true}, t.Context(), "extract /d/sealed: the directory is sealed: what lies in it is another file system's matter"},
		{"attr", &layers.Node{Xattrs: map[string]string{"nonsense": "x"}}, t.Context(), "set extended attribute nonsense of /d/attr: operation not supported"},
	} {
		tree := layers.NewTree()
		require.NoError(t, tree.Put("d/"+test.name, test.node))
		err := tree.Extract(test.ctx, t.TempDir())
		require.EqualError(t, err, test.want)
	}
	tree := layers.NewTree()
	dir := t.TempDir()
	require.NoError(t, tree.Put("there", file(layers.Inline("x"))))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "there"), nil, 0o644))
	require.EqualError(t, tree.Extract(t.Context(), dir), "make regular file /there: file exists")
	require.ErrorContains(t, tree.Extract(t.Context(), filepath.Join(dir, "gone")), "no such file or directory")
}
