package builder

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/images/docker/create"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/apply"
)

// appPallet are the files of a pallet with an app of three images, one of them of an enabled feature, and a disabled app.
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
	listed := []wantedImage{{"docker.io/library/caddy:2.8", "oci:caddy"}, {"quay.io/a/b:1", ""}}
	require.Equal(t, listed, gather(t, r).images)

	r.Layers = append(r.Layers, recipes.Layer{Containers: &recipes.Containers{Stages: true}})
	require.Equal(t, []wantedImage{
		listed[0], {"docker.io/library/eclipse-mosquitto:latest", ""},
		{"ghcr.io/prometheus/node@sha256:" + zeroes, ""}, listed[1],
	}, gather(t, r).images)

	r.Layers = r.Layers[1:2]
	require.Empty(t, gather(t, r).images, "no containers layer asks for them")
}

// The compiled layer is a store of the images by digest, above all other layers except the boot layer.
func TestCompileContainers(t *testing.T) {
	r := loaded(t)
	web := emptyImage(t, filepath.Join(r.Dir, "web"), "A=1")
	r.Layers = append([]recipes.Layer{{Containers: &recipes.Containers{Stages: true, Images: []recipes.ContainerImage{
		{Name: "web:1", Source: "oci:web"}, {Name: "quay.io/a/b@sha256:" + sha1},
	}}}}, r.Layers...)
	l := lockOf(t, r)
	l.Images = nil
	_, err := compile(t, r, locked(l))
	require.EqualError(t, err, "lock is out of date: "+
		"container image docker.io/library/web:1 was added, container image quay.io/a/b@sha256:"+sha1+" was added")
	_, err = compile(t, r, GatherOptions{})
	require.EqualError(t, err, "container image docker.io/library/web:1 is not pinned by digest; run pkbuild lock")

	l.Images = []lock.Image{{Name: "docker.io/library/web:1", Digest: web}, {Name: "quay.io/a/b@sha256:" + sha1, Digest: "sha256:" + sha1}}
	p, err := compile(t, r, locked(l))
	require.NoError(t, err)
	got := p.Layers[len(p.Layers)-2]
	require.Equal(t, Layer{"containers", create.Layer{Platform: "linux/arm64/v8", Images: []create.Image{
		{Name: "docker.io/library/web:1", Source: "oci:web", Digest: web},
		{Name: "quay.io/a/b@sha256:" + sha1, Digest: "sha256:" + sha1},
	}}}, got)
	text, err := json.Marshal(got)
	require.NoError(t, err)
	var again Layer
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, got, again)

	made := got.Layer.(create.Layer)
	made.Images = made.Images[:1]
	env := &layers.Env{Dir: r.Dir, Cache: t.TempDir(), Latest: p.Date}
	_, err = made.Make(t.Context(), env, nil)
	require.NoError(t, err)
	env = &layers.Env{Dir: t.TempDir(), Cache: t.TempDir(), Shared: env.Cache, Latest: p.Date}
	tree, err := made.Make(t.Context(), env, nil)
	require.NoError(t, err, "all that is needed is in somebody else's cache")
	names, err := tree.ReadFile("var/lib/docker/image/overlay2/repositories.json")
	require.NoError(t, err)
	require.Contains(t, string(names), `"web:1":"sha256:`)
	require.Contains(t, string(names), `"web@`+web.String()+`":"sha256:`)
	require.True(t, tree.Get("var/lib/docker").Sealed)
}

// Containers are created with the arguments that the device uses to start the apps.
func TestCompileCreatedContainers(t *testing.T) {
	dir := write(t, appPallet)
	r := &recipes.Recipe{Dir: dir, Layers: []recipes.Layer{{Containers: &recipes.Containers{Create: true}}}}
	c := compiler{sources: gather(t, r), plan: newPlan(r, time.Unix(0, 0).UTC())}
	require.EqualError(t, c.containers(),
		"containers.create: no staged pallet has an enabled Compose app; stage one, or remove create")

	r.Layers = append(r.Layers, recipes.Layer{Stage: &recipes.Stage{Pallet: "."}})
	c.sources = gather(t, r)
	require.NoError(t, c.containers())
	const app = "/run/forklift/stages/current/packages/packages/web"
	const caddy, mosquitto = "docker.io/library/caddy:2.8", "docker.io/library/eclipse-mosquitto:latest"
	node := "ghcr.io/prometheus/node@sha256:" + strings.Repeat("0", 64)
	require.Equal(t, &create.Create{
		Date: c.plan.Date, Link: create.Link{Path: "/run/forklift/stages/current", Target: "/var/lib/forklift/stages/1"},
		Apps: []create.App{{Name: "web", Compose: []string{
			"compose", "--progress", "quiet", "--project-name", "web", "--project-directory", app, "--env-file", "/dev/null",
			"--file", app + "/compose.yml", "--file", app + "/metrics.yml",
		}, Services: map[string]string{"broker": mosquitto, "metrics": node, "web": caddy}}},
	}, c.plan.Layers[0].Layer.(create.Layer).Create)
	require.Equal(t, &create.Bundle{Dir: "/var/lib/forklift/stages/1", Images: []string{caddy, mosquitto, node}},
		c.plan.Layers[0].Layer.(create.Layer).Bundle, "the build pins the images of the factory stage")
}

func TestStartOrder(t *testing.T) {
	app := func(name string, after ...string) apply.App { return apply.App{Deployment: name, After: after} }
	c, b, a := app("a", "b"), app("b", "c"), app("c")
	require.Equal(t, []apply.App{a, b, c}, startOrder([]apply.App{c, b, a}))
	require.Empty(t, startOrder(nil))
}
