package ext4

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// interrupted cancels a context on the first read.
type interrupted struct {
	io.ReaderAt
	cancel func()
	reads  int
}

func (r *interrupted) ReadAt(b []byte, at int64) (int, error) {
	r.cancel()
	r.reads++
	return r.ReaderAt.ReadAt(b, at)
}

func TestCancelledWriteEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &interrupted{ReaderAt: strings.NewReader(strings.Repeat("x", 8<<20)), cancel: cancel}
	files := tree.New()
	put(t, files, "dir/large", &tree.Node{Type: tree.Regular, Content: tree.Content{ReaderAt: r, Size: 8 << 20}})
	o := testOptions
	o.Size = 32 << 20
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	require.NoError(t, err)
	defer f.Close()
	err = Write(ctx, f, 0, files, o)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "write ext4 of 33554432 bytes to "+f.Name()+": /dir/large: context canceled")
	require.Equal(t, 1, r.reads)
}

func TestErrors(t *testing.T) {
	files := func(name string, n *tree.Node) *tree.Tree {
		tree := tree.New()
		put(t, tree, name, n)
		return tree
	}
	regular := func(c tree.Content) *tree.Node { return &tree.Node{Type: tree.Regular, Content: c} }
	xattrs := func(name, value string) *tree.Node { return &tree.Node{Xattrs: map[string]string{name: value}} }
	twoNames := tree.New()
	dir := &tree.Node{}
	put(t, twoNames, "a", dir)
	put(t, twoNames, "b", dir)
	ofSize := func(size int64) func(*Options) { return func(o *Options) { o.Size = size } }
	x := func(n int) string { return strings.Repeat("x", n) }
	empty := tree.New()
	for name, c := range map[string]struct {
		tree *tree.Tree
		set  func(*Options)
		want string
	}{
		"short content": {tree: files("a/b", regular(tree.Content{ReaderAt: strings.NewReader("abc"), Size: 5})),
			want: "/a/b: read content: end of file at 3 of 5 bytes"},
		"short file": {tree: files("a", regular(tree.Content{ReaderAt: sparseFile(t, 3<<20), Offset: 1, Size: 3 << 20})),
			want: "/a: read content: end of file at 3145727 of 3145728 bytes"},
		"mode": {tree: files("a", &tree.Node{Mode: 0o10000}),
			want: "/a: mode 010000 has more than permission bits"},
		"immutable": {tree: files("a", &tree.Node{Type: tree.Fifo, Immutable: true}),
			want: "/a: ext4 cannot mark a fifo as immutable or append-only"},
		"negative size": {tree: files("a", regular(tree.Content{Size: -1})),
			want: "/a: file size of -1 bytes is not between 0 and 17592186040320"},
		"empty target": {tree: files("a", &tree.Node{Type: tree.Symlink}),
			want: `/a: symlink target "" is not 1 to 4095 bytes without NUL`},
		"long target": {tree: files("a", &tree.Node{Type: tree.Symlink, Target: x(4096)}),
			want: `/a: symlink target "` + x(40) + `" is not 1 to 4095 bytes without NUL`},
		"device": {tree: files("a", &tree.Node{Type: tree.Char, Major: 4096}),
			want: "/a: device number 4096:0 exceeds the limit of ext4, 4095:1048575"},
		"lost+found": {tree: files("lost+found", regular(tree.Content{})),
			want: "/lost+found is a regular file: ext4 needs a directory there"},
		"directory link": {tree: twoNames, want: "/b: directory has two names, as if hard-linked"},
		"namespace": {tree: files("a", xattrs("system.data", "x")),
			want: `/a: extended attribute "system.data": ext4 cannot store this name`},
		"no name": {tree: files("a", xattrs("user.", "x")),
			want: `/a: extended attribute "user.": ext4 cannot store this name`},
		"long value": {tree: files("a", xattrs("user.x", x(65537))),
			want: "/a: extended attribute user.x: value has 65537 bytes, at most 65536 are allowed"},
		"long xattr": {tree: files("a", xattrs("user."+x(251), "")),
			want: `/a: extended attribute "user.` + x(35) + `": name is longer than 255 bytes or has a NUL`},
		"many xattrs": {tree: files("a", &tree.Node{Xattrs: manyXattrs(150, 1000)}),
			want: "/a: extended attributes do not fit into an inode and a block"},
		"ACL entry": {tree: files("a", xattrs("system.posix_acl_access", "\x02\x00\x00\x00\x03\x00"+x(6))),
			want: "/a: extended attribute system.posix_acl_access: access control list has an entry of the unknown type 0x3"},
		"bad ACL": {tree: files("a", xattrs("system.posix_acl_access", "x")),
			want: "/a: extended attribute system.posix_acl_access: access control list is damaged or not of version 2"},
		"too small": {tree: empty, set: ofSize(5 << 20), want: "files need 5365760 bytes, and the ext4 file system has 5242880"},
		"no size":   {tree: empty, set: ofSize(0), want: "files need 5365760 bytes, and the ext4 file system has 4096"},
		"too large": {tree: empty, set: ofSize(math.MaxInt64), want: "file system size of 9223372036854775807 bytes exceeds 16 TiB"},
		"label": {tree: empty, set: func(o *Options) { o.Label = "a label of 17 by." },
			want: `ext4 label "a label of 17 by." is longer than 16 bytes`},
		"reserved": {tree: empty, set: func(o *Options) { o.ReservedPercent = 51 },
			want: "51% reserved for root is not between 0 and 50"},
		"UUID": {tree: empty, set: func(o *Options) { o.UUID = [16]byte{} }, want: "ext4 file system needs a UUID"},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions
			o.Size = 32 << 20
			if c.set != nil {
				c.set(&o)
			}
			f, err := os.Create(filepath.Join(t.TempDir(), "image"))
			require.NoError(t, err)
			defer f.Close()
			err = Write(t.Context(), f, 0, c.tree, o)
			require.Error(t, err)
			_, message, found := strings.Cut(err.Error(), f.Name()+": ")
			require.True(t, found, "%v", err)
			require.Equal(t, c.want, message)
		})
	}
}

// TestFullDisk writes to a file system without enough space.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4M"); err != nil {
		needs.Unavailable(t, "mounting needs root: %v", err)
	}
	defer func() { require.NoError(t, unix.Unmount(dir, 0)) }()
	content, err := os.Create(filepath.Join(t.TempDir(), "content"))
	require.NoError(t, err)
	defer content.Close()
	_, err = content.Write(bytes.Repeat([]byte("x"), 8<<20))
	require.NoError(t, err)
	for name, c := range map[string]tree.Content{
		"from memory": tree.Inline(bytes.Repeat([]byte("x"), 8<<20)),
		"from a file": {ReaderAt: content, Size: 8 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			files := tree.New()
			put(t, files, "large", &tree.Node{Type: tree.Regular, Content: c})
			o := testOptions
			o.Size = 32 << 20
			f, err := os.Create(filepath.Join(dir, "image"))
			require.NoError(t, err)
			defer f.Close()
			err = Write(t.Context(), f, 0, files, o)
			require.ErrorIs(t, err, unix.ENOSPC)
			require.ErrorContains(t, err, "write ext4 of 33554432 bytes to "+f.Name())
			require.ErrorContains(t, err, "no space left on device")
		})
	}
}
