package images

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	pkimages "github.com/PlanktoScope/pkbuild/images"
)

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	r, err := ReadRecord(dir)
	require.NoError(t, err)
	r = r.With(Entry{Name: "b", ID: "1", Tag: "t"}).With(Needed{Names: []string{"c", "b", "a"}, Pins: []pkimages.Pin{{Name: "b", ID: "2"}}}.Entries()...)
	require.NoError(t, r.Write(dir))
	r, err = ReadRecord(dir)
	require.NoError(t, err)
	require.Equal(t, []Entry{{Name: "a"}, {Name: "b", ID: "1", Tag: "t"}, {Name: "b", ID: "2"}, {Name: "c"}}, r.Images)
	name := filepath.Join(dir, File)
	for content, message := range map[string]string{
		"{":              "parse " + name + ": unexpected end of JSON input (delete the file: the images in it are then never removed)",
		`{"version": 2}`: "parse " + name + ": version is 2, want 1 (delete the file: the images in it are then never removed)",
	} {
		require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
		_, err = ReadRecord(dir)
		require.EqualError(t, err, message)
	}
}

func TestAddDigests(t *testing.T) {
	root := t.TempDir()
	content := filepath.Join(root, "image/overlay2/imagedb/content/sha256")
	require.NoError(t, os.MkdirAll(content, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(content, "1"), nil, 0o600))
	r := Record{Root: root, Images: []Entry{
		{Name: "docker.io/library/caddy:2@" + sum, ID: "sha256:1"},
		{Name: "ghcr.io/x/y@" + sum, ID: "sha256:1"},
		{Name: "ghcr.io/x/z@" + sum, ID: "sha256:gone"},
		{Name: "ghcr.io/x/pulled@" + sum},
		{Name: "ghcr.io/x/tag:1", ID: "sha256:1"},
	}}
	for _, want := range []int{2, 0} {
		n, err := AddDigests(r)
		require.NoError(t, err)
		require.Equal(t, want, n)
		data, err := os.ReadFile(filepath.Join(root, "image/overlay2/repositories.json"))
		require.NoError(t, err)
		require.JSONEq(t, `{"Repositories": {"caddy": {"caddy@`+sum+`": "sha256:1"},
			"ghcr.io/x/y": {"ghcr.io/x/y@`+sum+`": "sha256:1"}}}`, string(data))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "image/overlay2/repositories.json"), []byte("{"), 0o600))
	_, err := AddDigests(r)
	require.ErrorContains(t, err, "repositories.json: unexpected end of JSON input")
}
