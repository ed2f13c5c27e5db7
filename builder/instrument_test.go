package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/recipes/instrument"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
)

// TestNewInstrument: what pkbuild init creates compiles as it is: its recipe, its pallet and its container image.
func TestNewInstrument(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "buoy-7")
	created, err := instrument.Create(dir)
	require.NoError(t, err)
	for _, file := range []string{"buoy-7.yml", ".gitignore", ".github/workflows/image.yml", "pallet/forklift-pallet.yml", "containers/web.yml"} {
		require.Contains(t, created, file)
	}
	p, err := pallet.Read(filepath.Join(dir, "pallet"))
	require.NoError(t, err)
	require.NoError(t, p.Check().Err())
	warnings, err := p.Lint(t.Context())
	require.NoError(t, err)
	require.Empty(t, warnings)
	var workflow map[string]any
	data, err := os.ReadFile(filepath.Join(dir, ".github/workflows/image.yml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &workflow))
	require.Contains(t, string(data), "key: pkbuild-${{ hashFiles(")

	t.Chdir(dir)
	options := recipes.Options{Shipped: filepath.Join(t.TempDir(), "recipes")}
	cache := filepath.Dir(options.Shipped)
	web, err := recipes.Load("containers/web.yml", options)
	require.NoError(t, err)
	_, err = compile(t, web, GatherOptions{Cache: cache})
	require.NoError(t, err)

	require.NoError(t, os.MkdirAll("out/containers", 0o755)) // where make puts the container image
	r, err := recipes.Load("buoy-7.yml", options)
	require.NoError(t, err)
	s, err := Gather(t.Context(), r, GatherOptions{Cache: cache})
	require.NoError(t, err)
	asked, err := s.Request()
	require.NoError(t, err)
	require.Equal(t, []string{"localhost/buoy-7/web:1"}, asked.Images)
	s.lock = &lock.Lock{For: asked.For, Images: []lock.Image{{Name: asked.Images[0], Digest: "sha256:" + zeroes}}}
	_, err = Compile(s, programs)
	require.NoError(t, err)
	plan, err := compile(t, web, GatherOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, plan.Container.Entrypoint)
}

func TestNewInstrumentErrors(t *testing.T) {
	_, err := instrument.Create(filepath.Join(t.TempDir(), "My Buoy"))
	require.EqualError(t, err, `name "My Buoy" is invalid; write up to 63 lower-case letters, digits and inner dashes, such as buoy`)
	dir := filepath.Join(t.TempDir(), "buoy")
	_, err = instrument.Create(dir)
	require.NoError(t, err)
	_, err = instrument.Create(dir)
	require.EqualError(t, err, dir+" is not empty; choose another directory")
}
