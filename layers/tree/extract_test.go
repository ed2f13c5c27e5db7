package tree_test

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
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// tarOf is a tree as a tar, by which trees can be compared.
func tarOf(t *testing.T, files *tree.Tree) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, files.WriteTar(&b, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
	return b.Bytes()
}

// extractable is a tree with everything that Extract has to bring over.
func extractable(t *testing.T) *tree.Tree {
	t.Helper()
	when := time.Unix(1234567890, 987_654_321)
	files := tree.New()
	put := func(name string, n tree.Node) *tree.Node {
		n.ModTime = when.Add(time.Duration(len(name)) * time.Second)
		require.NoError(t, files.Put(name, &n))
		return &n
	}
	put("", tree.Node{Mode: 0o751, UID: 3})
	put("closed", tree.Node{Mode: 0o500, UID: 1, GID: 2, Xattrs: map[string]string{"trusted.x": "directory"}})
	large := strings.Repeat("0123456789abcdef", 3<<16) + "end"
	put("closed/large", tree.Node{Type: tree.Regular, Mode: 0o600, UID: 70000, GID: 80000, Content: tree.Inline(large)})
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	program := put("program", tree.Node{Type: tree.Regular, Mode: 0o6755, UID: 4, GID: 5, Content: tree.Inline("ELF"),
		Xattrs: map[string]string{"security.capability": capability}})
	require.NoError(t, files.Put("closed/hard", program))
	put("shared", tree.Node{Mode: 0o3777, GID: 50})
	put("shared/empty", tree.Node{Type: tree.Regular, Mode: 0})
	link := put("shared/link", tree.Node{Type: tree.Symlink, Mode: 0o777, UID: 6, Target: "../no\nwhere"})
	require.NoError(t, files.Put("shared/link2", link))
	put("null", tree.Node{Type: tree.Char, Mode: 0o666, Major: 1, Minor: 3})
	put("disk", tree.Node{Type: tree.Block, Mode: 0o660, GID: 6, Major: 259, Minor: 70000, Xattrs: map[string]string{"trusted.x": "y"}})
	put("fifo", tree.Node{Type: tree.Fifo, Mode: 0o640, GID: 7})
	return files
}

func TestExtract(t *testing.T) {
	needs.Root(t)
	umask := unix.Umask(0o077)
	defer unix.Umask(umask)
	dir := t.TempDir()
	files := extractable(t)
	require.NoError(t, files.Extract(t.Context(), dir, tree.ExtractOptions{}))
	got, err := tree.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, listTree(t, files), listTree(t, got))
	require.Equal(t, tarOf(t, files), tarOf(t, got), "owners, modes, times, extended attributes")
}

// A missing parent directory is created, and an entry without a time is extracted without an error.
func TestExtractImplied(t *testing.T) {
	needs.Root(t)
	dir, began := t.TempDir(), time.Now().Add(-time.Second)
	files := tree.New()
	require.NoError(t, files.Put("a/b", &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline("x")}))
	require.NoError(t, files.Extract(t.Context(), dir, tree.ExtractOptions{}))
	got, err := tree.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, uint32(0o755), got.Get("a").Mode)
	require.True(t, got.Get("a").ModTime.After(began), got.Get("a").ModTime)
	require.Equal(t, time.Unix(0, 0).UTC(), got.Get("a/b").ModTime)
}

type brokenReader struct{}

func (brokenReader) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is broken") }

func TestExtractErrors(t *testing.T) {
	needs.Root(t)
	file := func(c tree.Content) *tree.Node { return &tree.Node{Type: tree.Regular, Content: c} }
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		node *tree.Node
		ctx  context.Context
		want string
	}{
		{"short", file(tree.Content{ReaderAt: strings.NewReader("abc"), Size: 5}), t.Context(), "create regular file /d/short: read content: unexpected EOF"},
		{"broken", file(tree.Content{ReaderAt: brokenReader{}, Size: 5}), t.Context(), "create regular file /d/broken: read content: the disk is broken"},
		{"stopped", file(tree.Inline("text")), cancelled, "create regular file /d/stopped: context canceled"},
		{"sealed", &tree.Node{Sealed: true}, t.Context(), "extract /d/sealed: directory is sealed: it can only be written to a disk"},
		{"attr", &tree.Node{Xattrs: map[string]string{"nonsense": "x"}}, t.Context(), "set extended attribute nonsense of /d/attr: operation not supported"},
	} {
		files := tree.New()
		require.NoError(t, files.Put("d/"+test.name, test.node))
		err := files.Extract(test.ctx, t.TempDir(), tree.ExtractOptions{})
		require.EqualError(t, err, test.want)
	}
	files := tree.New()
	dir := t.TempDir()
	require.NoError(t, files.Put("there", file(tree.Inline("x"))))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "there"), nil, 0o644))
	require.EqualError(t, files.Extract(t.Context(), dir, tree.ExtractOptions{}), "create regular file /there: file exists")
	require.ErrorContains(t, files.Extract(t.Context(), filepath.Join(dir, "gone"), tree.ExtractOptions{}), "no such file or directory")
}
