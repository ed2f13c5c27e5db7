package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/layers"
)

// entry is an entry of an archive; those without a type are files.
type entry struct {
	tar.Header
	content string
}

// The kinds of entries, with permissions of their own.
func dir(name string) entry {
	return entry{tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}, ""}
}
func file(name, content string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, content}
}
func symlink(name, target string) entry {
	return entry{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, ""}
}
func link(name, target string) entry {
	return entry{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}, ""}
}
func device(kind byte, name string, major, minor int64) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Mode: 0o660, Devmajor: major, Devminor: minor}, ""}
}

// with changes the header of an entry.
func (e entry) with(change func(*tar.Header)) entry {
	change(&e.Header)
	return e
}

// written is the time of all entries that have no other.
var written = time.Date(2025, 3, 4, 5, 6, 7, 123456789, time.UTC)

// archiveOf is an uncompressed layer.
func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		e.Size, e.Format = int64(len(e.content)), tar.FormatPAX
		if e.ModTime.IsZero() {
			e.ModTime = written
		}
		require.NoError(t, w.WriteHeader(&e.Header))
		_, err := w.Write([]byte(e.content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// shelf holds the archives of layers by their digests.
type shelf struct {
	t   testing.TB
	dir string
}

func newShelf(t testing.TB) shelf { return shelf{t, t.TempDir()} }

func (s shelf) path(d digest.Digest) string { return filepath.Join(s.dir, d.Encoded()) }

// diff is a Store's Diff.
func (s shelf) diff(_ context.Context, l images.Layer) (*os.File, error) {
	return os.Open(s.path(l.DiffID))
}

// tree is the store of images.
func (s shelf) tree(all ...images.Image) (*layers.Tree, error) {
	return Store{Diff: s.diff, Cache: filepath.Join(s.dir, "split")}.Tree(s.t.Context(), all)
}

// image makes an image for arm64 of archives, which are not compressed.
func (s shelf) image(name string, archives ...[]byte) images.Image {
	s.t.Helper()
	var ids []digest.Digest
	out := images.Image{Names: []string{name}}
	for _, a := range archives {
		id := digest.FromBytes(a)
		require.NoError(s.t, os.WriteFile(s.path(id), a, 0o644))
		ids = append(ids, id)
		out.Layers = append(out.Layers, images.Layer{Digest: id, DiffID: id, Size: int64(len(a))})
	}
	var err error
	out.Config, err = json.Marshal(map[string]any{
		"architecture": "arm64", "os": "linux", "created": "2025-01-02T03:04:05Z",
		"config": map[string]any{"Cmd": []string{"/bin/hello"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	require.NoError(s.t, err)
	return out
}

// hello is a program for arm64 that says hello.
func hello() string {
	const at, greeting = 0x400000, "hello\n"
	code := []uint32{
		0xd2800020, 0x100000e1, 0xd2800002 | uint32(len(greeting))<<5, 0xd2800808, 0xd4000001, // write(1, greeting, len)
		0xd2800000, 0xd2800ba8, 0xd4000001, // exit(0)
	}
	size := uint64(64 + 56 + 4*len(code) + len(greeting))
	var out bytes.Buffer
	for _, part := range []any{
		[]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		[]uint16{2, 183}, uint32(1), []uint64{at + 64 + 56, 64, 0}, uint32(0), []uint16{64, 56, 1, 0, 0, 0},
		[]uint32{1, 5}, []uint64{0, at, at, size, size, 0x1000}, code, []byte(greeting),
	} {
		_ = binary.Write(&out, binary.LittleEndian, part) // to memory
	}
	return out.String()
}
