package transfer

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// programs has the machine code of a program that prints hello, by architecture.
var programs = map[string]struct {
	machine uint16 // in ELF
	code    string
}{
	"amd64": {62, "\xb8\x01\x00\x00\x00" + // mov eax, 1 (write)
		"\xbf\x01\x00\x00\x00" + // mov edi, 1
		"\x48\x8d\x35\x10\x00\x00\x00" + // lea rsi, [rip+16]
		"\xba\x06\x00\x00\x00\x0f\x05" + // mov edx, 6; syscall
		"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05" + // mov eax, 60 (exit); xor edi, edi; syscall
		"hello\n"},
	"arm64": {183, "\x08\x08\x80\xd2" + // mov x8, 64 (write)
		"\x20\x00\x80\xd2" + // mov x0, 1
		"\xc1\x00\x00\x10" + // adr x1, 24
		"\xc2\x00\x80\xd2\x01\x00\x00\xd4" + // mov x2, 6; svc 0
		"\xa8\x0b\x80\xd2\x00\x00\x80\xd2\x01\x00\x00\xd4" + // mov x8, 93 (exit); mov x0, 0; svc 0
		"hello\n"},
}

// hello returns an executable that prints hello.
func hello(t *testing.T, architecture string) []byte {
	t.Helper()
	const at, header = 0x400000, 0x78
	program, known := programs[architecture]
	if !known {
		needs.Unavailable(t, "no test program for %s", architecture)
	}
	size := uint64(header + len(program.code))
	var out bytes.Buffer
	out.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	for _, v := range []any{
		uint16(2), program.machine, uint32(1), uint64(at + header), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1),
		uint16(64), uint16(0), uint16(0), // no sections
		uint32(1), uint32(5), uint64(0), uint64(at), uint64(at), size, size, uint64(4096),
	} {
		_ = binary.Write(&out, binary.LittleEndian, v) // cannot fail
	}
	return append(out.Bytes(), program.code...)
}

// layer returns an archive of one file.
func layer(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// noise returns incompressible content.
func noise(seed int64, n int) []byte {
	out := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(out)
	return out
}

// configOf returns the configuration of an image with layers.
func configOf(t testing.TB, architecture string, layers ...[]byte) []byte {
	t.Helper()
	c := imagespec.Image{Platform: imagespec.Platform{OS: "linux", Architecture: architecture}, Config: imagespec.ImageConfig{Cmd: []string{"/hello"}}}
	c.RootFS.Type = "layers"
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(l))
		c.History = append(c.History, imagespec.History{CreatedBy: "test"}, imagespec.History{CreatedBy: "nothing", EmptyLayer: true})
	}
	data, err := json.Marshal(c)
	require.NoError(t, err)
	return data
}

// registry serves manifests and blobs by their digests.
type registry map[string][]byte

func (r registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	name := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	data, known := r[name]
	if req.URL.Path != "/v2/" && !known {
		http.NotFound(w, req)
		return
	}
	if strings.Contains(req.URL.Path, "/manifests/") {
		w.Header().Set("Content-Type", imagespec.MediaTypeImageManifest)
		w.Header().Set("Docker-Content-Digest", name)
	}
	_, _ = w.Write(data) // to a test
}

// add adds an image and returns the digest of its manifest.
func (r registry) add(t *testing.T, layers ...[]byte) digest.Digest {
	t.Helper()
	descriptor := func(mediaType string, data []byte) imagespec.Descriptor {
		d := digest.FromBytes(data)
		r[d.String()] = data
		return imagespec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
	}
	m := imagespec.Manifest{MediaType: imagespec.MediaTypeImageManifest, Config: descriptor(imagespec.MediaTypeImageConfig, configOf(t, runtime.GOARCH, layers...))}
	m.SchemaVersion = 2
	for _, l := range layers {
		m.Layers = append(m.Layers, descriptor(imagespec.MediaTypeImageLayer, l))
	}
	data, err := json.Marshal(m)
	require.NoError(t, err)
	return descriptor(m.MediaType, data).Digest
}

// staged returns a stage store with a stage whose pallet needs some images.
func staged(t testing.TB, images ...string) (dir string) {
	t.Helper()
	source, dir := t.TempDir(), t.TempDir()
	files := map[string]string{
		"forklift-pallet.yml":                 "forklift-version: v0.8.0\npallet: {path: example.org/mine}\n",
		"deployments/a.deploy.yml":            "package: /packages/a\n",
		"packages/a/forklift-package.yml":     "deployment: {compose-files: [compose.yml], provides: {file-exports: [{target: overlays/etc/motd, source: motd}]}}\n",
		"packages/a/motd":                     "hello\n",
		"packages/a/compose.yml":              "services:\n",
		"packages/a/a/long/" + long + "/file": "x",
	}
	for n, image := range images {
		files["packages/a/compose.yml"] += fmt.Sprintf("  s%d: {image: %q}\n", n, image)
	}
	if len(images) == 0 {
		delete(files, "packages/a/compose.yml")
		files["packages/a/forklift-package.yml"] = "deployment: {}\n"
	}
	for name, content := range files {
		name = filepath.Join(source, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
	}
	require.NoError(t, os.Symlink("file", filepath.Join(source, "packages/a/a/long", long, "link")))
	p, err := pallet.Read(source)
	require.NoError(t, err)
	b, err := p.Bundle(t.Context(), pallet.Options{Version: "v1.0.0"})
	require.NoError(t, err)
	require.NoError(t, b.Write(t.Context(), filepath.Join(dir, "1")))
	return dir
}

// long is a path that does not fit into the header of a tar archive.
var long = strings.Repeat("long", 50)

func opening(t testing.TB, dir string) *store.Store {
	t.Helper()
	sys, err := store.Linux(dir)
	require.NoError(t, err)
	s, err := store.Open(t.Context(), sys)
	require.NoError(t, err)
	return s
}
