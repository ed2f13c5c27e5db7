package layout

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/needs"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Target{
		"oci:out":                         {Path: "out"},
		"oci:a/b:1.0":                     {Path: "a/b", Tag: "1.0"},
		"oci:a:example.org/x/y:2.0":       {Path: "a", Tag: "example.org/x/y:2.0"},
		"oci-archive:/tmp/x.tar":          {Archive: true, Path: "/tmp/x.tar"},
		"oci-archive:/tmp/x.tar:1.0--rc1": {Archive: true, Path: "/tmp/x.tar", Tag: "1.0--rc1"},
	} {
		got, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	for text, want := range map[string]string{
		"out":          `"out" is not a target for an image; write oci:DIR[:TAG] or oci-archive:FILE[:TAG]`,
		"docker://out": `"docker://out" is not a target for an image; write oci:DIR[:TAG] or oci-archive:FILE[:TAG]`,
		"oci:":         `image target "oci:" lacks a path; write oci:PATH[:TAG]`,
		"oci:x:":       `image tag "" is invalid; write one such as 2.0 or example.org/name:2.0`,
		"oci:x:../y":   `image tag "../y" is invalid; write one such as 2.0 or example.org/name:2.0`,
	} {
		_, err := Parse(text)
		require.EqualError(t, err, want)
	}
}

// fake is an image of layers with some contents.
func fake(t *testing.T, contents ...string) (images.Image, Open) {
	t.Helper()
	var img images.Image
	blobs := map[digest.Digest]string{}
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "arm64"}, RootFS: v1.RootFS{Type: "layers"}}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest}
	m.SchemaVersion = 2
	for _, content := range contents {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: content, Mode: 0o644}))
		require.NoError(t, w.Close())
		d := digest.FromBytes(archive.Bytes())
		blobs[d] = archive.String()
		img.Layers = append(img.Layers, images.Layer{Digest: d, DiffID: d, Size: int64(archive.Len()), MediaType: v1.MediaTypeImageLayer})
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(archive.Len())})
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, d)
	}
	var err error
	img.Config, err = json.Marshal(config)
	require.NoError(t, err)
	m.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: img.ID(), Size: int64(len(img.Config))}
	img.Manifest, err = json.Marshal(m)
	require.NoError(t, err)
	img.Digest = digest.FromBytes(img.Manifest)
	return img, func(d digest.Digest) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(blobs[d])), nil }
}

// put writes an image to a place.
func put(t *testing.T, place string, contents ...string) images.Image {
	t.Helper()
	to, err := Parse(place)
	require.NoError(t, err)
	img, open := fake(t, contents...)
	require.NoError(t, to.Write(t.Context(), img, open, nil))
	return img
}

// listed are the images of a layout, by tag.
func listed(t *testing.T, dir string) map[string]digest.Digest {
	t.Helper()
	index, err := Target{Path: dir}.index()
	require.NoError(t, err)
	out := map[string]digest.Digest{}
	for _, m := range index.Manifests {
		out[m.Annotations[v1.AnnotationRefName]] = m.Digest
	}
	return out
}

func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range found {
		out = append(out, f.Name())
	}
	return out
}

// TestTags: a new tag leaves the others, a used one is replaced, and what nobody can name any more goes.
func TestTags(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "images")
	one := put(t, "oci:"+dir+":1", "shared", "one")
	two := put(t, "oci:"+dir+":example.org/x:2", "shared", "two")
	none := put(t, "oci:"+dir, "none")
	require.Equal(t, map[string]digest.Digest{"1": one.Digest, "example.org/x:2": two.Digest, "": none.Digest}, listed(t, dir))

	blobs := filepath.Join(dir, "blobs/sha256")
	require.Len(t, files(t, blobs), 3*2+4)
	other := put(t, "oci:"+dir+":1", "shared", "other")
	require.Equal(t, map[string]digest.Digest{"1": other.Digest, "example.org/x:2": two.Digest, "": none.Digest}, listed(t, dir))
	require.Len(t, files(t, blobs), 3*2+4)
	require.NotContains(t, files(t, blobs), one.Layers[1].Digest.Encoded())
	require.Contains(t, files(t, blobs), one.Layers[0].Digest.Encoded())

	again := put(t, "oci:"+dir+":1", "shared", "other")
	require.Equal(t, other.Digest, again.Digest)
	require.Len(t, files(t, blobs), 3*2+4)
	require.Equal(t, []string{"blobs", "index.json", "oci-layout"}, files(t, dir))
}

// TestForeignEntries: what this program does not know stays, with all that it may need.
func TestForeignEntries(t *testing.T) {
	dir := t.TempDir()
	put(t, "oci:"+dir+":1", "one")
	index, err := Target{Path: dir}.index()
	require.NoError(t, err)
	foreign := v1.Descriptor{MediaType: v1.MediaTypeImageIndex, Digest: digest.FromString("x"), Annotations: map[string]string{"k": "v", v1.AnnotationRefName: "x"}}
	index.Manifests = append(index.Manifests, foreign)
	require.NoError(t, replace(filepath.Join(dir, v1.ImageIndexFile), index))
	put(t, "oci:"+dir+":1", "other")
	index, err = Target{Path: dir}.index()
	require.NoError(t, err)
	require.Equal(t, foreign, index.Manifests[1])
	require.Len(t, files(t, filepath.Join(dir, "blobs/sha256")), 6)
}

func TestArchiveIsTheSame(t *testing.T) {
	dir := t.TempDir()
	put(t, "oci-archive:"+dir+"/new/a.tar:1", "one", "two")
	put(t, "oci-archive:"+dir+"/new/b.tar:1", "one", "two")
	a, err := os.ReadFile(dir + "/new/a.tar")
	require.NoError(t, err)
	b, err := os.ReadFile(dir + "/new/b.tar")
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b))
	require.Equal(t, []string{"a.tar", "b.tar"}, files(t, dir+"/new"))
}

// TestSkopeoReads: another implementation finds the image in both, complete and undamaged.
func TestSkopeoReads(t *testing.T) {
	skopeo := needs.Program(t, "skopeo")
	dir := t.TempDir()
	put(t, "oci:"+dir+"/images:other", "other")
	for _, place := range []string{"oci:" + dir + "/images:example.org/x:1.0", "oci-archive:" + dir + "/x.tar"} {
		img := put(t, place, "one", "two")
		to := filepath.Join(t.TempDir(), "copy")
		out, err := exec.Command(skopeo, "copy", "--insecure-policy", place, "dir:"+to).CombinedOutput()
		require.NoError(t, err, "%s", out)
		manifest, err := os.ReadFile(filepath.Join(to, "manifest.json"))
		require.NoError(t, err)
		require.Equal(t, string(img.Manifest), string(manifest))
	}
}

// TestFaults: what cannot be written whole leaves what was there.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	good := put(t, "oci:"+dir+":1", "one")
	img, open := fake(t, "two")
	for want, bad := range map[string]Open{
		"is damaged: content has another digest": func(d digest.Digest) (io.ReadCloser, error) {
			r, err := open(d)
			require.NoError(t, err)
			data, err := io.ReadAll(r)
			require.NoError(t, err)
			data[0]++
			return io.NopCloser(bytes.NewReader(data)), nil
		},
		"has 0 bytes, want 1536": func(digest.Digest) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil },
		": gone":                 func(digest.Digest) (io.ReadCloser, error) { return nil, errors.New("gone") },
	} {
		for _, to := range []Target{{Path: dir, Tag: "1"}, {Archive: true, Path: dir + "/../x.tar"}} {
			require.ErrorContains(t, to.Write(t.Context(), img, bad, nil), want)
		}
	}
	require.Equal(t, map[string]digest.Digest{"1": good.Digest}, listed(t, dir))
	require.Len(t, files(t, filepath.Join(dir, "blobs/sha256")), 3)
	require.NoFileExists(t, filepath.Dir(dir)+"/x.tar")
	require.NoFileExists(t, filepath.Dir(dir)+"/x.tar.tmp")

	mine := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(mine, "thesis"), nil, 0o644))
	require.EqualError(t, Target{Path: mine}.Write(t.Context(), img, open, nil),
		"write oci:"+mine+": directory contains thesis, which does not belong to an image layout; name an empty directory")
	require.NoError(t, os.WriteFile(filepath.Join(dir, v1.ImageIndexFile), []byte("{"), 0o644))
	require.ErrorContains(t, Target{Path: dir}.Write(t.Context(), img, open, nil), "read "+filepath.Join(dir, v1.ImageIndexFile)+": ")
}
