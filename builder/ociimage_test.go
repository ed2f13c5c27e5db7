package builder

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/images/layout"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// TestShippedContainers: the shipped container recipes compile, without a boot layer, and share their base.
func TestShippedContainers(t *testing.T) {
	bases := map[layers.Key]bool{}
	for _, name := range []string{"caddy", "mosquitto", "prometheus", "prometheus-node-exporter"} {
		p := compileShipped(t, "containers/"+name)
		require.Equal(t, name, p.Name)
		require.NotEmpty(t, p.Container.Entrypoint, name)
		require.NotEmpty(t, p.Container.ExposedPorts, name)
		var kinds []string
		for _, l := range p.Layers {
			kinds = append(kinds, l.Name+" "+l.Layer.Kind().Name)
		}
		require.Equal(t, []string{"debian debian", "packages debian", "files files"}, kinds, name)
		key, err := layers.KeyOf(p.Layers[0].Layer, layers.Root(p.Date))
		require.NoError(t, err)
		bases[key] = true
		data, err := json.Marshal(p)
		require.NoError(t, err)
		var back Plan
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, p.Layers, back.Layers)
		require.Equal(t, p.Container, back.Container)
	}
	require.Len(t, bases, 1)
}

// smallContainer returns the plan of a container image of files whose second layer is empty.
func smallContainer(t *testing.T) *Plan {
	t.Helper()
	file := layers.File{Path: "/bin/x", Type: "file", Mode: 0o755, Content: "x"}
	date, err := recipes.ParseDate("2026-02-03")
	require.NoError(t, err)
	p := newPlan(&recipes.Recipe{Name: "small", Architecture: "arm64"}, date)
	p.Container = containerConfig(&recipes.Container{
		Entrypoint: []string{"/bin/x"}, Cmd: []string{"-v"}, Env: map[string]string{"B": "2", "A": "1"}, User: "7", Workdir: "/srv",
		Ports: []string{"80", "53/udp"}, Volumes: []string{"/data"}, Labels: map[string]string{"k": "v"}, StopSignal: "SIGINT",
	})
	p.add("files", layers.Files{Entries: []layers.File{file}})
	p.add("files", layers.Files{})
	file.Path = "/etc/y"
	p.add("files", layers.Files{Entries: []layers.File{file}})
	return p
}

// readJSON reads a blob of a layout.
func readJSON[T any](t *testing.T, dir string, d digest.Digest) (v T) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "blobs/sha256", d.Encoded()))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

func TestContainerConfig(t *testing.T) {
	dir, p := t.TempDir(), smallContainer(t)
	to := layout.Target{Path: filepath.Join(dir, "images"), Tag: "1"}
	d, err := BuildContainer(t.Context(), p, Workspace{Caches: Caches{Cache: filepath.Join(dir, "cache")}}, ContainerOutput{To: to, Compression: Gzip})
	require.NoError(t, err)
	manifest := readJSON[v1.Manifest](t, to.Path, d)
	config := readJSON[v1.Image](t, to.Path, manifest.Config.Digest)
	require.Len(t, manifest.Layers, 2)
	require.Equal(t, v1.MediaTypeImageLayerGzip, manifest.Layers[0].MediaType)
	require.Equal(t, p.Date, *config.Created)
	require.Equal(t, v1.Platform{Architecture: "arm64", Variant: "v8", OS: "linux"}, config.Platform)
	require.Equal(t, v1.ImageConfig{
		Entrypoint: []string{"/bin/x"}, Cmd: []string{"-v"}, Env: []string{"A=1", "B=2"}, User: "7", WorkingDir: "/srv", StopSignal: "SIGINT",
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}, Volumes: map[string]struct{}{"/data": {}}, Labels: map[string]string{"k": "v"},
	}, config.Config)
	require.Len(t, config.RootFS.DiffIDs, 2)
	var empty []bool
	for _, h := range config.History {
		empty = append(empty, h.EmptyLayer)
	}
	require.Equal(t, []bool{false, true, false}, empty)
}

// TestDamagedBlobIsReplaced: a damaged blob in the cache is not used.
func TestDamagedBlobIsReplaced(t *testing.T) {
	dir, p := t.TempDir(), smallContainer(t)
	build := func(tag string) digest.Digest {
		to := layout.Target{Path: filepath.Join(dir, tag)}
		d, err := BuildContainer(t.Context(), p, Workspace{Caches: Caches{Cache: filepath.Join(dir, "cache")}}, ContainerOutput{To: to, Compression: Zstd})
		require.NoError(t, err)
		return d
	}
	first := build("a")
	blobs, err := filepath.Glob(filepath.Join(dir, "cache/containers/*.zstd"))
	require.NoError(t, err)
	require.Len(t, blobs, 3)
	for _, name := range blobs {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		data[len(data)-1]++
		require.NoError(t, os.WriteFile(name, data, 0o644))
	}
	require.Equal(t, first, build("b"))
}

func TestContainerLock(t *testing.T) {
	r, err := recipes.Load("../recipes/containers/mosquitto.yml", recipes.Options{})
	require.NoError(t, err)
	want := request(t, r).For
	require.Equal(t, []string{"architecture arm64", "suite trixie", "component main", "slim",
		"layer 1 package mosquitto", "layer 1 package mosquitto-clients"}, want)
	pkg := func(name string) debian.Package {
		return debian.Package{Name: name, Version: "1", Architecture: "arm64", Size: 1, SHA256: sum(name), URL: "x"}
	}
	l := &lock.Lock{For: want, Debian: debian.Lock{Packages: []debian.Package{pkg("dash")}, Tools: []debian.Package{pkg("tar")}},
		Over: [][]debian.Package{{pkg("mosquitto"), pkg("mosquitto-clients")}}}
	back, err := lock.Parse("x", l.Format("x"))
	require.NoError(t, err)
	require.Equal(t, l, back)
	require.Len(t, (*lock.Lock)(nil).Diff(l), 4)

	p, err := compile(t, r, locked(l))
	require.NoError(t, err)
	base, over := p.Layers[0].Layer.(debian.Layer), p.Layers[1].Layer.(debian.Layer)
	require.Equal(t, l.Debian, *base.Lock)
	require.Equal(t, debian.Lock{Packages: l.Over[0], Tools: l.Debian.Tools}, *over.Lock)
	require.Equal(t, debian.OverLayers, over.Over)

	r.Layers[0].Packages = r.Layers[0].Packages[:1]
	_, err = compile(t, r, locked(l))
	require.EqualError(t, err, "lock is out of date: layer 1 package mosquitto-clients was removed")
}

// TestServicesHaveTheirImages: the apps of the services pallet use the container images of the shipped recipes, and no others.
func TestServicesHaveTheirImages(t *testing.T) {
	dir := t.TempDir() // where make containers was run, as it seems
	require.NoError(t, os.CopyFS(filepath.Join(dir, "recipes"), os.DirFS("../recipes")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "out/containers"), 0o755))
	r, err := recipes.Load(filepath.Join(dir, "recipes/services.yml"), recipes.Options{})
	require.NoError(t, err)
	var want []wantedImage
	for _, name := range []string{"caddy", "mosquitto", "prometheus-node-exporter", "prometheus"} {
		require.FileExists(t, "../recipes/containers/"+name+".yml")
		want = append(want, wantedImage{name: "localhost/pkbuild/" + name + ":trixie", source: "oci:../out/containers:" + name})
	}
	require.Equal(t, want, gather(t, r).images)
}
