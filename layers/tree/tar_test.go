package tree_test

import (
	"archive/tar"
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// latest is the time that no entry may exceed in these tests.
var latest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestTarRoundTrip(t *testing.T) {
	in := tree.New()
	file := &tree.Node{Type: tree.Regular, Mode: 0o4755, UID: 1000, GID: 4294967294, ModTime: time.Unix(-5, 250_000_000),
		Xattrs: map[string]string{"security.capability": "\x01\x00=\n", "user.x": ""}, Content: tree.Inline("content")}
	for name, n := range map[string]*tree.Node{
		"d":       {Mode: 0o1777, ModTime: latest},
		"d/f":     file,
		"d/hard":  file,
		"d/link":  {Type: tree.Symlink, Mode: 0o777, Target: "../nowhere", ModTime: latest},
		"d/null":  {Type: tree.Char, Mode: 0o666, Major: 1, Minor: 3, ModTime: latest},
		"d/disk":  {Type: tree.Block, Mode: 0o660, Major: 259, Minor: 70000, ModTime: latest},
		"d/fifo":  {Type: tree.Fifo, Mode: 0o600, ModTime: latest},
		"d/empty": {Type: tree.Regular, Mode: 0o644, ModTime: latest},
	} {
		require.NoError(t, in.Put(name, n))
	}
	var first, second bytes.Buffer
	require.NoError(t, in.WriteTar(&first, latest))
	out, err := tree.ReadTar(bytes.NewReader(first.Bytes()))
	require.NoError(t, err)
	for name, want := range in.Walk() {
		got := out.Get(name)
		require.NotNil(t, got, name)
		require.Equal(t, [...]any{want.Type, want.Mode, want.UID, want.GID, want.Target, want.Major, want.Minor, want.Content.Size},
			[...]any{got.Type, got.Mode, got.UID, got.GID, got.Target, got.Major, got.Minor, got.Content.Size}, name)
		require.Equal(t, want.Xattrs, got.Xattrs, name)
		require.True(t, name == "" || want.ModTime.Equal(got.ModTime), "%s: %v, not %v", name, got.ModTime, want.ModTime)
	}
	require.Same(t, out.Get("d/f"), out.Get("d/hard"))
	data, err := out.ReadFile("d/hard")
	require.NoError(t, err)
	require.Equal(t, "content", string(data))
	require.NoError(t, out.WriteTar(&second, latest))
	require.Equal(t, first.Bytes(), second.Bytes(), "the same tree gives the same bytes")
}

func TestWriteTarClampsTimes(t *testing.T) {
	in := tree.New()
	require.NoError(t, in.Put("new", &tree.Node{Type: tree.Fifo, ModTime: latest.Add(time.Hour)}))
	var out bytes.Buffer
	require.NoError(t, in.WriteTar(&out, latest))
	h, err := tar.NewReader(&out).Next()
	require.NoError(t, err)
	require.True(t, h.ModTime.Equal(latest), h.ModTime)
}

func TestWriteTarRefusesSockets(t *testing.T) {
	in := tree.New()
	require.NoError(t, in.Put("s", &tree.Node{Type: tree.Socket}))
	require.EqualError(t, in.WriteTar(&bytes.Buffer{}, latest), "write tar entry /s: a tar cannot hold a socket")
}

func TestReadTarErrors(t *testing.T) {
	for name, c := range map[string]struct {
		header tar.Header
		want   string
	}{
		"leaves the root":       {tar.Header{Name: "a/../../b", Typeflag: tar.TypeFifo}, `tar entry "a/../../b": path "a/../../b" contains ".."`},
		"a link to nothing":     {tar.Header{Name: "a", Linkname: "later", Typeflag: tar.TypeLink}, `tar entry "a": hard link to "later", which is not an earlier file of the archive`},
		"a link to a directory": {tar.Header{Name: "a", Linkname: "./", Typeflag: tar.TypeLink}, `tar entry "a": hard link to "./", which is not an earlier file of the archive`},
		"an unknown type":       {tar.Header{Name: "a", Typeflag: 'Z'}, `tar entry "a": type 'Z' is not supported`},
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			tw := tar.NewWriter(&buf)
			require.NoError(t, tw.WriteHeader(&c.header))
			require.NoError(t, tw.Close())
			_, err := tree.ReadTar(bytes.NewReader(buf.Bytes()))
			require.EqualError(t, err, c.want)
		})
	}
	_, err := tree.ReadTar(bytes.NewReader(bytes.Repeat([]byte("x"), 1024)))
	require.EqualError(t, err, "read tar: entry at byte 0: header is damaged, or the file is not a tar archive")
}

func FuzzReadTar(f *testing.F) {
	var buf bytes.Buffer
	t := tree.New()
	_ = t.Put("a/b", &tree.Node{Type: tree.Regular, Content: tree.Inline("x"), Xattrs: map[string]string{"user.a": "b"}})
	_ = t.WriteTar(&buf, latest)
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := tree.ReadTar(bytes.NewReader(data))
		if err != nil {
			return
		}
		for name := range files.Walk() {
			if _, err := tree.Clean(name); err != nil {
				t.Fatal(err)
			}
		}
	})
}
