package transfer

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// small is a file with a bundle of one file and an image of one layer.
func small(f *testing.F, compress bool) []byte {
	dir, d := f.TempDir(), newFake()
	require.NoError(f, os.Mkdir(filepath.Join(dir, "1"), 0o755))
	require.NoError(f, os.WriteFile(filepath.Join(dir, "1", stages.ManifestFile), []byte("x\n"), 0o644))
	id := d.add(f, "a:1", layer(f, "a", []byte("a")))
	image := Needed{Image: Image{ID: id, Layers: diffs(d.blobs[id])}, Names: []string{"docker.io/library/a:1"}}
	sum, err := store.Digest(os.DirFS(dir), 1)
	require.NoError(f, err)
	x := Index{Version: indexVersion, Bundle: digest.Digest(sum), Platform: "linux/amd64", Images: []Needed{image}}
	to, err := os.Create(filepath.Join(dir, "file"))
	require.NoError(f, err)
	e := Exporter{Docker: d, Store: dir, Compress: compress, Notify: func(Event) {}}
	require.NoError(f, e.write(&archive{ctx: f.Context(), f: to}, 1, &x, map[digest.Digest]bool{image.Layers[0]: true}))
	require.NoError(f, to.Close())
	data, err := os.ReadFile(to.Name())
	require.NoError(f, err)
	return data
}

// FuzzRead reads and verifies any file: it ends, and what it accepts agrees with itself.
func FuzzRead(f *testing.F) {
	for _, compress := range []bool{false, true} {
		data := small(f, compress)
		f.Add(data)
		f.Add(data[:len(data)/2])
		f.Add(packed(f, parts(f, data)[1:]))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		p := &Plan{file: file}
		if err := p.checkSpace(Importer{Space: func(string) (Space, error) { return Space{Free: 1 << 20}, nil }}, 0); err != nil {
			return
		}
		b, err := file.Verify(t.Context(), func(Event) {})
		if err != nil {
			return
		}
		require.NotEmpty(t, file.Index.Bundle)
		manifest, _, err := readBundle(file.open(bundleMember), strict{t, map[string]bool{".": true}})
		require.NoError(t, err)
		require.Equal(t, b.Manifest, manifest)
	})
}

// FuzzBundle reads any bundle: nothing is written outside of it or through a symlink.
func FuzzBundle(f *testing.F) {
	f.Add(parts(f, small(f, false))[0].data)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range []tar.Header{{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "a/../../b"}, {Name: "d/", Typeflag: tar.TypeDir}} {
		require.NoError(f, w.WriteHeader(&h))
	}
	require.NoError(f, w.Close())
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, _ = readBundle(bytes.NewReader(data), strict{t, map[string]bool{".": true}})
	})
}

// strict is a filler that wants each entry once, in a directory that was made before.
type strict struct {
	t    *testing.T
	dirs map[string]bool // and what is none
}

func (s strict) enter(name string, dir bool) {
	require.True(s.t, fs.ValidPath(name) && !strings.HasPrefix(name, "../"), name)
	require.True(s.t, s.dirs[path.Dir(name)], name)
	require.NotContains(s.t, s.dirs, name)
	s.dirs[name] = dir
}

func (s strict) Dir(name string, _ fs.FileMode) error { s.enter(name, true); return nil }

func (s strict) Symlink(name, _ string) error { s.enter(name, false); return nil }

func (s strict) File(name string, _ fs.FileMode, content io.Reader) error {
	s.enter(name, false)
	_, err := io.Copy(io.Discard, content)
	return err
}
