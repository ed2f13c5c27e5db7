package images

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

var arm64 = Platform{"linux", "arm64", "v8"}

// config returns the configuration of an image with a number of layers.
func config(platform Platform, layers int) []byte {
	var diffs []digest.Digest
	for i := range layers {
		diffs = append(diffs, digest.FromString(fmt.Sprint("diff ", i)))
	}
	out, err := json.Marshal(map[string]any{
		"os": platform.OS, "architecture": platform.Architecture, "variant": platform.Variant,
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	if err != nil {
		panic(err)
	}
	return out
}

const (
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociConfig      = "application/vnd.oci.image.config.v1+json"
	ociLayer       = "application/vnd.oci.image.layer.v1.tar+gzip"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// manifestOf returns a manifest with a number of layers, with the media types of OCI or of Docker.
func manifestOf(config []byte, layers int, docker bool) []byte {
	kinds := [3]string{ociManifest, ociConfig, ociLayer}
	if docker {
		kinds = [3]string{dockerManifest, dockerConfig, dockerLayer}
	}
	list := []string{}
	for i := range layers {
		list = append(list, fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q}`, kinds[2], i, digest.FromString(fmt.Sprint("blob ", i))))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"size":%d,"digest":%q},"layers":[%s]}`,
		kinds[0], kinds[1], len(config), digest.FromBytes(config), strings.Join(list, ","))
}

// indexOf returns an index of manifests for platforms, in this order.
func indexOf(entries ...string) []byte {
	list := []string{}
	for _, e := range entries {
		p, _ := ParsePlatform(e)
		list = append(list, fmt.Sprintf(`{"mediaType":%q,"size":7,"digest":%q,"platform":{"os":%q,"architecture":%q,"variant":%q}}`,
			ociManifest, digest.FromString(e), p.OS, p.Architecture, p.Variant))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}`, strings.Join(list, ","))
}

func TestParse(t *testing.T) {
	for _, docker := range []bool{false, true} {
		for _, n := range []int{0, 1, MaxLayers} {
			c := config(Platform{"linux", "arm64", ""}, n)
			m := manifestOf(c, n, docker)
			image, err := Parse(m, c, arm64)
			require.NoError(t, err)
			require.Len(t, image.Layers, n)
			require.Equal(t, digest.FromBytes(m), image.Digest)
			require.Equal(t, digest.FromBytes(c), image.ID())
			if n > 0 {
				kind := map[bool]string{false: ociLayer, true: dockerLayer}[docker]
				last := fmt.Sprint(n - 1)
				require.Equal(t, Layer{digest.FromString("blob " + last), digest.FromString("diff " + last), int64(n - 1), kind}, image.Layers[n-1])
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	c := config(arm64, 2)
	good := string(manifestOf(c, 2, false))
	with := func(old, new string) string {
		require.Contains(t, good, old)
		return strings.ReplaceAll(good, old, new)
	}
	for name, test := range map[string]struct {
		manifest, config, wantErr string
	}{
		"schema 1":             {`{"schemaVersion":1,"fsLayers":[]}`, "", "manifest has schema version 1, which is obsolete since 2017"},
		"no manifest":          {`<html>`, "", `not an OCI or Docker manifest: "<html>"`},
		"empty":                {``, "", `not an OCI or Docker manifest: ""`},
		"an index":             {string(indexOf("linux/arm64")), "", "image index lists another index, want a manifest"},
		"an artifact":          {with(ociConfig, "application/vnd.cncf.helm.config"), "", `not a container image: configuration has the media type "application/vnd.cncf.helm.config"`},
		"a long manifest":      {good + strings.Repeat(" ", 4<<20), "", "at most 4194304 are allowed"},
		"many values":          {with(`"layers":[`, `"layers":[`+strings.Repeat("{},", 100_000)), "", "image manifest has more than 100000 values"},
		"a huge configuration": {with(fmt.Sprintf(`"size":%d`, len(c)), `"size":5000000`), "", "image configuration has 5000000 bytes: at most 4194304 are allowed"},
		"another config":       {good, "{}", "configuration has the digest " + digest.FromString("{}").String()},
		"no config":            {`{"schemaVersion":2,"mediaType":"` + ociManifest + `","layers":[]}`, "", `not a container image: configuration has the media type ""`},
		"a huge layer":         {with(`"size":1,`, `"size":9223372036854775807,`), "", "layer 2 of 2: image layer has the size 9223372036854775807 bytes in the manifest"},
		"a negative size":      {with(`"size":1,`, `"size":-5,`), "", "layer 2 of 2: image layer has the size -5 bytes in the manifest"},
		"a size too large":     {with(`"size":1,`, `"size":1e99,`), "", "parse image manifest: json: cannot unmarshal number 1e99"},
		"no digest":            {with(digest.FromString("blob 1").String(), ""), "", `layer 2 of 2: "" is not a SHA-256 digest`},
		"a path as digest":     {with(digest.FromString("blob 1").String(), "sha256:../x"), "", `layer 2 of 2: "sha256:../x" is not a SHA-256 digest`},
		"encrypted":            {with(ociLayer, ociLayer+"+encrypted"), "", "layer 1 of 2: image layer is encrypted"},
		"foreign":              {with(ociLayer, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "", "layer 1 of 2: image layer is not in the registry"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := test.config
			if conf == "" {
				conf = string(c)
			}
			_, err := Parse([]byte(test.manifest), []byte(conf), arm64)
			require.ErrorContains(t, err, test.wantErr)
		})
	}
	for name, test := range map[string]struct{ config, wantErr string }{
		"another platform": {string(config(Platform{"linux", "amd64", ""}, 2)), "image is for platform linux/amd64, not linux/arm64/v8"},
		"an older variant": {string(config(Platform{"linux", "arm64", "v9"}, 2)), "image is for platform linux/arm64/v9, not linux/arm64/v8"},
		"fewer layers":     {string(config(arm64, 1)), "image manifest has 2 layers, but the configuration has 1"},
		"no JSON":          {"x", "parse image configuration: invalid character"},
		"no rootfs":        {`{"os":"linux","architecture":"arm64"}`, `configuration has a rootfs of type "", want layers`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(manifestOf([]byte(test.config), 2, false), []byte(test.config), arm64)
			require.ErrorContains(t, err, test.wantErr)
		})
	}
	c = config(arm64, MaxLayers+1)
	_, err := Parse(manifestOf(c, MaxLayers+1, true), c, arm64)
	require.EqualError(t, err, "image has 128 layers: Docker mounts at most 127")
}

func TestChoose(t *testing.T) {
	for name, test := range map[string]struct {
		index   []string
		want    string
		wantErr string
	}{
		"the variant":     {[]string{"linux/amd64", "linux/arm64", "linux/arm64/v8"}, "linux/arm64/v8", ""},
		"no variant":      {[]string{"unknown/unknown", "linux/arm/v7", "linux/arm64"}, "linux/arm64", ""},
		"other platforms": {[]string{"windows/amd64", "linux/amd64", "linux/amd64", "unknown/unknown"}, "", "no manifest for platform linux/arm64/v8: the index has linux/amd64, windows/amd64"},
		"no platforms":    {[]string{"unknown/unknown"}, "", "the index has none"},
		"another variant": {[]string{"linux/arm64/v9"}, "", "the index has linux/arm64/v9"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Choose(indexOf(test.index...), arm64)
			if test.wantErr != "" {
				require.ErrorContains(t, err, test.wantErr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, digest.FromString(test.want), got)
		})
	}
}

func TestLoad(t *testing.T) {
	b := Blobs{Dir: t.TempDir()}
	c := config(arm64, 2)
	m := manifestOf(c, 2, false)
	index := fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"size":7,"digest":%q,"platform":{"os":"linux","architecture":"arm64"}}]}`,
		ociManifest, digest.FromBytes(m))
	want, err := Parse(m, c, arm64)
	require.NoError(t, err)
	_, err = b.Load(want.Digest, arm64)
	require.ErrorContains(t, err, "image "+want.Digest.String()+": open ")
	require.NoError(t, b.Save(t.Context(), want, index))
	got, err := b.Load(want.Digest, arm64)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = b.Load(digest.FromBytes(index), arm64)
	require.NoError(t, err)
	require.Equal(t, digest.FromBytes(index), got.Digest, "digest of the index")
	require.Equal(t, want.Layers, got.Layers)
	require.False(t, b.Complete(got))
	for i, l := range got.Layers {
		require.NoError(t, b.Put(t.Context(), l.DiffID, writing(fmt.Append(nil, "diff ", i))))
	}
	require.True(t, b.Complete(got))
}

func TestParsePlatform(t *testing.T) {
	for text, want := range map[string]Platform{
		"linux/arm64": {"linux", "arm64", ""}, "linux/arm/v7": {"linux", "arm", "v7"}, "linux": {}, "a/b/c/d": {}, "/": {}, "": {},
	} {
		got, err := ParsePlatform(text)
		require.Equal(t, want, got)
		if want.OS == "" {
			require.EqualError(t, err, fmt.Sprintf("platform %q is not of the form os/architecture[/variant], such as linux/arm64", text))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, text, got.String())
	}
}

// FuzzManifest parses arbitrary manifests, indexes and configurations.
func FuzzManifest(f *testing.F) {
	c := config(arm64, 2)
	f.Add(manifestOf(c, 2, false), c)
	f.Add(manifestOf(c, 2, true), c)
	f.Add(indexOf("linux/arm64/v8", "unknown/unknown"), c)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:x"},null]}`), []byte(`{"rootfs":null}`))
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"`+ociManifest+`","config":null,"layers":[null]}`), []byte(`null`))
	f.Add([]byte(`{"schemaVersion":1,"signatures":[],"fsLayers":null}`), []byte(`[]`))
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{}]}`), []byte(``))
	f.Fuzz(func(t *testing.T, m, c []byte) {
		if d, err := Choose(m, arm64); err == nil {
			require.NoError(t, Valid(d))
		}
		m = []byte(strings.ReplaceAll(string(m), digest.FromBytes(config(arm64, 2)).String(), digest.FromBytes(c).String()))
		image, err := Parse(m, c, arm64)
		if err != nil {
			require.Less(t, len(err.Error()), 2000)
			return
		}
		require.LessOrEqual(t, len(image.Layers), MaxLayers)
		for _, l := range image.Layers {
			require.NoError(t, l.check())
		}
	})
}
