package tree_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// compressed is data as a writer of a compression makes it.
func compressed[W io.WriteCloser](t *testing.T, data []byte, open func(io.Writer) (W, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := open(&out)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	return compressed(t, data, func(w io.Writer) (*gzip.Writer, error) { return gzip.NewWriter(w), nil })
}

// openArchive puts an archive into a file.
func openArchive(t *testing.T, data []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "archive")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestReadArchive(t *testing.T) {
	plain := tape().file("a", "x").end()
	bz2, err := hex.DecodeString(bzipped)
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"plain":         plain,
		"gzip":          gzipped(t, plain),
		"gzip in parts": append(gzipped(t, plain[:700]), gzipped(t, plain[700:])...),
		"zstd":          compressed(t, plain, func(w io.Writer) (*zstd.Encoder, error) { return zstd.NewWriter(w) }),
		"xz":            compressed(t, plain, func(w io.Writer) (*xz.Writer, error) { return xz.NewWriter(w) }),
		"bzip2":         bz2,
	} {
		t.Run(name, func(t *testing.T) {
			archive, dir := openArchive(t, data), t.TempDir()
			tree, contents, err := tree.ReadArchive(t.Context(), archive, dir)
			require.NoError(t, err)
			require.Equal(t, []string{"f a x"}, listTree(t, tree))
			require.Equal(t, name == "plain", contents == archive)
			requireEmpty(t, dir)
			if contents != archive {
				require.NoError(t, contents.Close())
			}
		})
	}
}

// bzipped is the archive with the file a, by bzip2.
const bzipped = "425a68393141592653593d5946bd00002cdb80e980400065800000e0001e400808200054569a1901a0f48249aa68346d4f50" +
	"1f73b0d1ed9089ea6e4e2fa8880896270229a1d55de56e0ce1bf7000ea45f1772453850903d5946bd0"

func TestReadArchiveFromAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	go func() {
		_, _ = w.Write(tape().file("a", "x").end())
		_ = w.Close()
	}()
	tree, contents, err := tree.ReadArchive(t.Context(), r, t.TempDir())
	require.NoError(t, err)
	defer contents.Close()
	require.Equal(t, []string{"f a x"}, listTree(t, tree))
}

func TestReadArchiveErrors(t *testing.T) {
	plain := tape().file("a", "x").end()
	cut := gzipped(t, bytes.Repeat(plain, 100))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		data []byte
		want string
	}{
		"cut gzip":  {t.Context(), cut[:len(cut)-20], "unpack ARCHIVE: unexpected EOF"},
		"bad zstd":  {t.Context(), []byte("\x28\xb5\x2f\xfdnonsense"), "unpack ARCHIVE: "},
		"bad bzip2": {t.Context(), []byte("BZh9nonsense"), "unpack ARCHIVE: bzip2 data invalid: bad magic value"},
		"empty":     {t.Context(), nil, "read tar: file is empty: even an archive without entries has two blocks"},
		"a lie":     {t.Context(), gzipped(t, tape().file("../a", "x").end()), `tar entry "../a": path "../a" contains ".."`},
		"canceled":  {canceled, gzipped(t, plain), "unpack ARCHIVE: context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			archive, dir := openArchive(t, c.data), t.TempDir()
			_, _, err := tree.ReadArchive(c.ctx, archive, dir)
			require.Error(t, err)
			require.Contains(t, err.Error(), string(bytes.Replace([]byte(c.want), []byte("ARCHIVE"), []byte(archive.Name()), 1)))
			requireEmpty(t, dir)
		})
	}
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	_, _, err = tree.ReadArchive(t.Context(), dir, t.TempDir())
	require.EqualError(t, err, dir.Name()+" is a directory")
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestRemoveWhiteouts(t *testing.T) {
	archive := tape().dir("etc/").file("etc/.wh.gone", "").file("etc/.wh..wh..opq", "").file("etc/kept", "x").
		file(".wh.full", "y").dir(".wh.dir/").end()
	files, err := tree.ReadTar(bytes.NewReader(archive))
	require.NoError(t, err)
	require.Equal(t, []string{"etc/.wh..wh..opq", "etc/.wh.gone"}, files.RemoveWhiteouts())
	require.Equal(t, []string{"d .wh.dir", "f .wh.full y", "d etc", "f etc/kept x"}, listTree(t, files))
}

func TestIdentity(t *testing.T) {
	read := func(data []byte) *tree.Tree {
		files, err := tree.ReadTar(bytes.NewReader(data))
		require.NoError(t, err)
		return files
	}
	of := func(a *archive) [32]byte { return read(a.end()).MetadataDigest() }
	first := of(tape().file("a", "x").hardlink("b", "a"))
	require.Equal(t, first, of(tape().file("b", "x").hardlink("a", "b")))
	for what, other := range map[string]*archive{
		"name":  tape().file("a", "x").hardlink("c", "a"),
		"link":  tape().file("a", "x").file("b", "x"),
		"size":  tape().file("a", "xy").hardlink("b", "a"),
		"type":  tape().symlink("a", "x").hardlink("b", "a"),
		"time":  tape().pax('x', "mtime", "0.000000001").file("a", "x").hardlink("b", "a"),
		"owner": tape().pax('x', "uid", "1").file("a", "x").hardlink("b", "a"),
		"xattr": tape().pax('x', "SCHILY.xattr.user.a", "").file("a", "x").hardlink("b", "a"),
	} {
		require.NotEqual(t, first, of(other), what)
	}
	require.Equal(t, time.Unix(7, 0), read(tape().pax('x', "mtime", "7").file("a", "x").file("b", "x").end()).Youngest().Local())
	require.True(t, tree.New().Youngest().IsZero())
}
