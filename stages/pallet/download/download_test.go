package download

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	retry "github.com/PlanktoScope/pkbuild/internal/download"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// tarOf returns a tar archive of headers whose Gname is the content of a file.
func tarOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		content := h.Gname
		h.Gname, h.Size = "", int64(len(content))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		require.NoError(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func file(name, content string) tar.Header { return tar.Header{Name: name, Gname: content} }
func link(name, to string) tar.Header {
	return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
}
func hard(name, to string) tar.Header {
	return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeLink}
}
func folder(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}
}

func gzipOf(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func zstdOf(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(data, nil)
}

func zipOf(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range []struct {
		name, content string
		mode          fs.FileMode
	}{{"d/", "", fs.ModeDir | 0o755}, {"d/run", "run\n", 0o755}, {"d/link", "run", fs.ModeSymlink | 0o777}, {"other", "x", 0o644}} {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		h.SetMode(f.mode)
		in, err := w.CreateHeader(h)
		require.NoError(t, err)
		_, err = in.Write([]byte(f.content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// listed returns a line for each file at or below a path: type and permissions, path, and content or target.
func listed(t *testing.T, dir, name string) []string {
	t.Helper()
	all := []string{}
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, fs.WalkDir(root.FS(), name, func(at string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		text := ""
		switch info.Mode().Type() {
		case 0:
			data, err := root.ReadFile(at)
			require.NoError(t, err)
			text = string(data)
		case fs.ModeSymlink:
			text, err = root.Readlink(at)
			require.NoError(t, err)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%v %s %s", info.Mode(), at, text)))
		return nil
	}))
	return all
}

// server serves files by name.
func server(t *testing.T, files map[string][]byte) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, err := w.Write(content)
		require.NoError(t, err)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// quick retries without waiting.
var quick = retry.Retry{Attempts: 3, Backoff: time.Millisecond, StallTimeout: 5 * time.Second}

func newCache(t *testing.T) Cache { return Cache{Dir: t.TempDir(), Retry: quick} }

func checksum(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

func TestFile(t *testing.T) {
	files := map[string][]byte{"/x": []byte("one\n")}
	url := server(t, files)
	c := newCache(t)
	fetch := func(c Cache, name, sum string) (string, error) {
		dir, file, err := c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTP, URL: url + name, Checksum: sum})
		if err != nil {
			return "", err
		}
		data, err := os.ReadFile(filepath.Join(dir, file))
		return string(data), err
	}
	got, err := fetch(c, "/x", "")
	require.NoError(t, err)
	require.Equal(t, "one\n", got)

	files["/x"] = []byte("two\n")
	got, err = fetch(c, "/x", "")
	require.NoError(t, err)
	require.Equal(t, "two\n", got, "a file without a checksum is downloaded again")
	got, err = fetch(c, "/x", checksum([]byte("one\n")))
	require.NoError(t, err)
	require.Equal(t, "one\n", got, "a file with a checksum is cached")
	_, err = fetch(newCache(t), "/x", checksum([]byte("one\n")))
	require.EqualError(t, err, "download "+url+"/x: downloaded file has SHA-256 "+checksum([]byte("two\n"))[7:]+
		", want "+checksum([]byte("one\n"))[7:]+" (3 attempts)")
	_, err = fetch(c, "/missing", "")
	require.EqualError(t, err, "download "+url+"/missing: server answered 404 Not Found")
	_, err = fetch(Cache{Dir: t.TempDir(), Retry: quick, Offline: true}, "/x", "")
	require.EqualError(t, err, "download "+url+"/x: download is not in the cache, and --offline forbids to fetch it")
	_, _, err = c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTP, URL: "file:///etc/shadow"})
	require.EqualError(t, err, "download file:///etc/shadow: URL is not an http or https URL")

	left, err := filepath.Glob(filepath.Join(c.Dir, "files/.new-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestShortened has a server that sends less than the length that it announced.
func TestShortened(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, err := w.Write([]byte("short"))
		require.NoError(t, err)
	}))
	defer s.Close()
	_, _, err := newCache(t).Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTP, URL: s.URL})
	require.EqualError(t, err, "download "+s.URL+": unexpected EOF (3 attempts)")
}

func TestDamagedCache(t *testing.T) {
	url := server(t, map[string][]byte{"/x": []byte("one\n")})
	c := newCache(t)
	d := pallet.Download{Type: pallet.SourceHTTP, URL: url + "/x", Checksum: checksum([]byte("one\n"))}
	dir, name, err := c.Fetch(t.Context(), d)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("damaged"), 0o644))
	dir, name, err = c.Fetch(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, []string{"-rw-r--r-- " + name + " one"}, listed(t, dir, name))
}

func TestMirroredFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o644))
	c := Cache{Dir: t.TempDir(), Retry: quick, Mirrors: mirror.Mirrors{"example.org/": "file://" + dir + "/"}, Offline: true}
	_, name, err := c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTP, URL: "https://example.org/x"})
	require.NoError(t, err)
	require.Equal(t, checksum([]byte("x")), "sha256:"+name)
}

func TestArchives(t *testing.T) {
	archive := tarOf(t, folder("./d/"), tar.Header{Name: "./d/run", Gname: "run\n", Mode: 0o4755}, link("d/link", "run"),
		file("other", "x"), file("e/deep/y", "y"))
	url := server(t, map[string][]byte{
		"/tar": archive, "/gz": gzipOf(t, archive), "/zst": zstdOf(t, archive), "/zip": zipOf(t),
	})
	want := []string{"drwxr-xr-x d", "Lrwxrwxrwx d/link run", "-rwxr-xr-x d/run run"}
	for _, name := range []string{"/tar", "/gz", "/zst", "/zip"} {
		c := newCache(t)
		for range 2 {
			dir, at, err := c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTPArchive, URL: url + name, Source: "d"})
			require.NoError(t, err, name)
			require.Equal(t, want, listed(t, dir, at), name)
		}
		dir, at, err := c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTPArchive, URL: url + name, Source: "d/run"})
		require.NoError(t, err, name)
		require.Equal(t, want[2:], listed(t, dir, at), name)
		_, _, err = c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTPArchive, URL: url + name, Source: "z"})
		require.EqualError(t, err, "unpack "+url+name+": source z is not in the archive")
	}
}

// TestHostileArchives has entries that lead out of the archive's directory, or that a bundle cannot have.
func TestHostileArchives(t *testing.T) {
	outside := t.TempDir()
	for what, c := range map[string]struct {
		archive []byte
		message string
	}{
		"parent":          {tarOf(t, file("../x", "x")), `archive entry "../x" leads out of the archive's directory`},
		"parent inside":   {tarOf(t, file("a/../../x", "x")), `archive entry "a/../../x" leads out of the archive's directory`},
		"absolute":        {tarOf(t, file("/etc/x", "x")), `archive entry "/etc/x" leads out of the archive's directory`},
		"through a link":  {tarOf(t, link("d", outside), file("d/x", "x")), `archive entry "d/x" is below "d", which is not a directory`},
		"in a file":       {tarOf(t, file("d", ""), file("d/x", "x")), `archive entry "d/x" is below "d", which is not a directory`},
		"hard link out":   {tarOf(t, hard("d", "../../etc/shadow")), `archive entry "../../etc/shadow" leads out of the archive's directory`},
		"hard link ahead": {tarOf(t, hard("d", "x"), file("x", "")), `archive entry "d" is a hard link to "x", which is not an earlier file`},
		"device": {tarOf(t, tar.Header{Name: "d/null", Typeflag: tar.TypeChar}),
			"d/null is a device, a pipe or a socket: only files, directories and links are unpacked"},
		"no archive":   {[]byte("<html>"), "not an archive: want tar, tar.gz, tar.zst or zip"},
		"empty":        {nil, "not an archive: want tar, tar.gz, tar.zst or zip"},
		"cut":          {tarOf(t, file("d", "xxx"))[:513], "read archive: unexpected EOF"},
		"cut gzip":     {gzipOf(t, tarOf(t, file("d", "xxx")))[:20], "read archive: unexpected EOF"},
		"cut zip":      {zipOf(t)[:40], "read archive: zip: not a valid zip file"},
		"endless name": {tarOf(t, file(strings.Repeat("a/", 3000)+"x", "x")), `archive entry "a/a/a/a/a/a/a/a/a/a/"… has a name of 6001 bytes, which is too long`},
	} {
		t.Run(what, func(t *testing.T) {
			cache := newCache(t)
			url := server(t, map[string][]byte{"/x": c.archive})
			_, _, err := cache.Fetch(t.Context(), pallet.Download{Type: pallet.SourceHTTPArchive, URL: url + "/x", Source: "d"})
			require.EqualError(t, err, "unpack "+url+"/x: "+c.message)
			left, err := filepath.Glob(filepath.Join(cache.Dir, "unpacked/*"))
			require.NoError(t, err)
			require.Empty(t, left)
			inside, err := os.ReadDir(outside)
			require.NoError(t, err)
			require.Empty(t, inside)
		})
	}
}

// imageOf returns an OCI layout with an image of layers, and the digest of its index.
func imageOf(t *testing.T, layers ...[]byte) (dir, digest string) {
	t.Helper()
	dir = t.TempDir()
	blob := func(data []byte, kind string) map[string]any {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755))
		name := strings.TrimPrefix(checksum(data), "sha256:")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "blobs/sha256", name), data, 0o644))
		return map[string]any{"mediaType": kind, "digest": checksum(data), "size": len(data)}
	}
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		return data
	}
	const oci = "application/vnd.oci.image."
	var descriptors []any
	for _, l := range layers {
		descriptors = append(descriptors, blob(l, oci+"layer.v1.tar+gzip"))
	}
	config := blob(encode(map[string]any{"architecture": "arm64", "os": "linux"}), oci+"config.v1+json")
	m := blob(encode(map[string]any{
		"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": descriptors,
	}), oci+"manifest.v1+json")
	m["platform"] = map[string]any{"architecture": "arm64", "os": "linux"}
	list := blob(encode(map[string]any{
		"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": []any{m},
	}), oci+"index.v1+json")
	index := encode(map[string]any{"schemaVersion": 2, "manifests": []any{list}})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.json"), index, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
	return dir, list["digest"].(string)
}

func TestImage(t *testing.T) {
	layout, digest := imageOf(t,
		gzipOf(t, tarOf(t, folder("/bin/"), tar.Header{Name: "bin/a", Gname: "a", Mode: 0o755}, file("bin/old", "old"),
			file("bin/sub/x", "x"), link("lib", "usr/lib"), file("gone", ""))),
		zstdOf(t, tarOf(t, file("bin/.wh.old", ""), file("bin/sub/y", "y"), file("bin/sub/.wh..wh..opq", ""),
			hard("bin/b", "bin/a"), file(".wh.gone", ""), file("lib/z", "z"))),
	)
	c := Cache{Dir: t.TempDir(), Retry: quick, Offline: true, Mirrors: mirror.Mirrors{"ghcr.io/x/y": "oci:" + layout}}
	fetch := func(url, source string) ([]string, error) {
		dir, name, err := c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceOCIImage, URL: url, Source: source})
		if err != nil {
			return nil, err
		}
		return listed(t, dir, name), nil
	}
	want := []string{"drwxr-xr-x bin", "-rwxr-xr-x bin/a a", "-rwxr-xr-x bin/b a", "drwxr-xr-x bin/sub", "-rw-r--r-- bin/sub/y y"}
	c.Mirrors["ghcr.io/x/y:1"] = "oci:" + layout
	got, err := fetch("ghcr.io/x/y:1@"+digest, "bin")
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = fetch("ghcr.io/x/y:1", "bin")
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = fetch("ghcr.io/x/y:1", "lib")
	require.NoError(t, err)
	require.Equal(t, []string{"drwxr-xr-x lib", "-rw-r--r-- lib/z z"}, got, "a directory takes the place of a link of a lower layer")
	_, err = fetch("ghcr.io/x/y:1", "gone")
	require.EqualError(t, err, "pull ghcr.io/x/y:1: source gone is not in the archive")
	_, err = fetch("ghcr.io/x/y:1@"+checksum(nil), "bin")
	require.EqualError(t, err, "pull ghcr.io/x/y:1@"+checksum(nil)+": oci:"+layout+": manifest has the digest "+digest+", want "+checksum(nil))
	_, err = fetch("alpine", "bin")
	require.EqualError(t, err, "pull alpine: download is not in the cache, and --offline forbids to fetch it")
	_, err = fetch("UPPER", "bin")
	require.ErrorContains(t, err, "pull UPPER: image name \"UPPER\": invalid reference format")
	require.NoError(t, os.RemoveAll(layout))
	got, err = fetch("ghcr.io/x/y:1@"+digest, "bin")
	require.NoError(t, err, "a pinned image is cached")
	require.Equal(t, want, got)

	c.Platform = "arm64"
	_, err = fetch("ghcr.io/x/y:1", "bin")
	require.EqualError(t, err, `pull ghcr.io/x/y:1: platform "arm64" is not of the form os/architecture[/variant], such as linux/arm64`)
}

// TestDamagedImage has a layer with another digest than the manifest says.
func TestDamagedImage(t *testing.T) {
	layer := gzipOf(t, tarOf(t, file("x", "x")))
	layout, _ := imageOf(t, layer)
	require.NoError(t, os.WriteFile(filepath.Join(layout, "blobs", strings.Replace(checksum(layer), ":", "/", 1)), nil, 0o644))
	c := Cache{Dir: t.TempDir(), Retry: quick, Offline: true, Mirrors: mirror.Mirrors{"ghcr.io/x": "oci:" + layout}}
	c.Mirrors["ghcr.io/x:latest"] = "oci:" + layout
	_, _, err := c.Fetch(t.Context(), pallet.Download{Type: pallet.SourceOCIImage, URL: "ghcr.io/x:latest", Source: "x"})
	require.ErrorContains(t, err, "layer "+checksum(layer)+": oci:"+layout+": connection to the registry ended: unexpected EOF after 0 of")
}

// FuzzUnpack unpacks arbitrary archives: nothing is written outside the directory.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("d/x"), []byte("x"), byte(tar.TypeReg))
	f.Add([]byte("d"), []byte("/etc"), byte(tar.TypeSymlink))
	f.Add([]byte("../d"), []byte("../x"), byte(tar.TypeLink))
	f.Add([]byte("d/.wh.x"), []byte(""), byte(tar.TypeReg))
	f.Fuzz(func(t *testing.T, name, target []byte, kind byte) {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		first := tar.Header{Name: "d/sub/", Typeflag: tar.TypeDir, Mode: 0o755}
		second := tar.Header{Name: string(name), Linkname: string(target), Typeflag: kind, Mode: 0o644}
		third := tar.Header{Name: string(name) + "/z", Typeflag: tar.TypeReg, Mode: 0o644}
		for _, h := range []tar.Header{first, second, third} {
			if w.WriteHeader(&h) != nil {
				return
			}
		}
		if w.Close() != nil {
			return
		}
		dir := t.TempDir()
		archive := filepath.Join(dir, "a")
		require.NoError(t, os.WriteFile(archive, out.Bytes(), 0o644))
		l, err := archiveLayer(archive)
		require.NoError(t, err)
		into := filepath.Join(dir, "into")
		require.NoError(t, os.Mkdir(into, 0o755))
		for _, whiteouts := range []bool{false, true} {
			u := unpacker{layers: []layer{l}, whiteouts: whiteouts}
			_ = u.unpack("d", into)
		}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 2)
	})
}
