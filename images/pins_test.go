package images_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
)

func TestPins(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	p := images.Pins{}.With(images.Pin{Name: "y:1", ID: b}, images.Pin{Name: "x:1", ID: a, Digest: b}).With(images.Pin{Name: "x:1", ID: b})
	data, err := p.Marshal()
	require.NoError(t, err)
	p, err = images.ParsePins(data)
	require.NoError(t, err)
	require.Equal(t, images.Pins{Version: 1, Images: []images.Pin{{Name: "x:1", ID: a, Digest: b}, {Name: "y:1", ID: b}}}, p,
		"sorted, and a pinned name keeps its pin")
	_, found := p.Find("z:1")
	require.False(t, found)
	for text, message := range map[string]string{
		"{":              "parse pins.json: unexpected end of JSON input",
		`{"version": 2}`: "parse pins.json: version is 2, want 1",
		`{"version": 1, "images": [{"name": "x:1", "id": "latest"}]}`: `parse pins.json: image "x:1": "latest" is not a SHA-256 digest`,
		strings.Replace(string(data), `"digest": "sha256:`, `"digest": "md5:`, 1): `parse pins.json: image "x:1": "md5:` + b.Encoded() +
			`" is not a SHA-256 digest`,
	} {
		_, err := images.ParsePins([]byte(text))
		require.EqualError(t, err, message)
	}
}

func TestComposeOverride(t *testing.T) {
	data, err := images.ComposeOverride(map[string]digest.Digest{"web": "sha256:1", "db": "sha256:2"})
	require.NoError(t, err)
	require.Equal(t, `{"services":{"db":{"image":"sha256:2"},"web":{"image":"sha256:1"}}}`, string(data))
}

func FuzzParsePins(f *testing.F) {
	f.Add([]byte(`{"version": 1, "images": [{"name": "x:1", "id": "sha256:` + strings.Repeat("0", 64) + `"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := images.ParsePins(data)
		if err != nil {
			return
		}
		again, err := p.Marshal()
		require.NoError(t, err)
		_, err = images.ParsePins(again)
		require.NoError(t, err)
	})
}
