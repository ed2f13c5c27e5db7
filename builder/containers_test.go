package builder

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/recipes"
)

// appPallet is a pallet with an app of three images, one of them that of an enabled feature, and a disabled app.
var appPallet = map[string]string{
	"forklift-pallet.yml":     "forklift-version: v0.7.0\npallet: {path: example.org/buoy, description: test, readme-file: README.md}\n",
	"forklift-repository.yml": "forklift-version: v0.7.0\nrepository: {path: example.org/buoy, description: test, readme-file: README.md}\n",
	"README.md":               "test\n",
	"packages/web/forklift-package.yml": `package: {description: test, license: Apache-2.0}
deployment: {compose-files: [compose.yml]}
features:
  metrics: {description: test, compose-files: [metrics.yml]}
  more: {description: test, compose-files: [more.yml]}
`,
	"packages/web/compose.yml":   "services: {web: {image: caddy:2.8}, broker: {image: eclipse-mosquitto}}\n",
	"packages/web/metrics.yml":   "services: {metrics: {image: ghcr.io/prometheus/node@sha256:" + zeroes + "}}\n",
	"packages/web/more.yml":      "services: {more: {image: more}}\n",
	"deployments/web.deploy.yml": "package: /packages/web\nfeatures: [metrics]\n",
	"deployments/off.deploy.yml": "package: /packages/web\nfeatures: [more]\ndisabled: true\n",
}

const zeroes = "0000000000000000000000000000000000000000000000000000000000000000"

func TestContainers(t *testing.T) {
	dir := write(t, appPallet)
	r := &recipes.Recipe{Dir: dir, Layers: []recipes.Layer{
		{Containers: &recipes.Containers{Images: []recipes.ContainerImage{
			{Name: "caddy:2.8", Source: "oci:caddy"}, {Name: "quay.io/a/b:1"},
		}}},
		{Stage: &recipes.Stage{Pallet: "."}},
	}}
	listed := []Container{{"docker.io/library/caddy:2.8", "oci:caddy"}, {"quay.io/a/b:1", ""}}
	got, err := Containers(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, listed, got)

	r.Layers = append(r.Layers, recipes.Layer{Containers: &recipes.Containers{Stages: true}})
	got, err = Containers(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, []Container{
		listed[0], {"docker.io/library/eclipse-mosquitto:latest", ""},
		{"ghcr.io/prometheus/node@sha256:" + zeroes, ""}, listed[1],
	}, got)

	r.Layers = r.Layers[1:2]
	got, err = Containers(t.Context(), r)
	require.NoError(t, err)
	require.Empty(t, got, "nobody asked for them")
}
