package device_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/opencontainers/image-spec/specs-go"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"
	"go.podman.io/image/v5/pkg/sysregistriesv2"

	"github.com/PlanktoScope/pkbuild/internal/dockertest"
	"github.com/PlanktoScope/pkbuild/internal/registrytest"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// service stops and starts the Docker daemon of a test.
type service struct {
	*dockertest.Daemon
	stops int
}

func (s *service) Stop(context.Context) error  { s.stops++; s.Daemon.Stop(); return nil }
func (s *service) Start(context.Context) error { s.Daemon.Start(); return nil }

// registry is a registry on this machine with an image of two layers, of which the upper one has a file.
type registry struct {
	name   string          // of the image
	layers []digest.Digest // diff IDs
}

// newRegistry starts a registry without TLS, which the client of registries may use. The upper layer has further entries.
func newRegistry(t *testing.T, program []byte, further ...tartest.Entry) registry {
	t.Helper()
	handler := &registrytest.Registry{Dir: t.TempDir()}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	conf := filepath.Join(t.TempDir(), "registries.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "[[registry]]\nlocation = %q\ninsecure = true\n", host), 0o644))
	t.Setenv("CONTAINERS_REGISTRIES_CONF", conf)
	sysregistriesv2.InvalidateCache() // that of another test

	r := registry{name: host + "/main:1"}
	blob := func(data []byte) digest.Digest {
		d := digest.FromBytes(data)
		require.NoError(t, os.WriteFile(filepath.Join(handler.Dir, d.Encoded()), data, 0o644))
		return d
	}
	m := imagespec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imagespec.MediaTypeImageManifest}
	executable := func(h *tar.Header) { h.Mode = 0o755 }
	for _, entries := range [][]tartest.Entry{
		{tartest.File("main", string(program)).With(executable)}, slices.Concat([]tartest.Entry{tartest.Dir("data"), tartest.File("data/file", strings.Repeat("data", 1000))}, further),
	} {
		archive, err := tartest.Of(entries...)
		require.NoError(t, err)
		r.layers = append(r.layers, blob(archive))
		m.Layers = append(m.Layers, imagespec.Descriptor{MediaType: imagespec.MediaTypeImageLayer, Digest: blob(archive), Size: int64(len(archive))})
	}
	config, err := json.Marshal(imagespec.Image{
		Platform: imagespec.Platform{OS: "linux", Architecture: runtime.GOARCH},
		RootFS:   imagespec.RootFS{Type: "layers", DiffIDs: r.layers},
	})
	require.NoError(t, err)
	m.Config = imagespec.Descriptor{MediaType: imagespec.MediaTypeImageConfig, Digest: blob(config), Size: int64(len(config))}
	data, err := json.Marshal(m)
	require.NoError(t, err)
	handler.Put("main", "1", m.MediaType, data)
	return r
}

// use makes stage 1 use an image.
func (d *dockerDevice) use(name string) {
	put(d.t, filepath.Join(d.Store, "1"), map[string]string{"packages/a/compose.yml": "services: {main: {image: \"" + name +
		"\", command: [/main], network_mode: none, stop_grace_period: 1s}}\n"})
}

// metadata returns the directory of Docker's metadata of a layer.
func (d *dockerDevice) metadata(below ...digest.Digest) string {
	return filepath.Join(d.Data, "image/overlay2/layerdb/sha256", identity.ChainID(append([]digest.Digest{}, below...)).Encoded())
}

// files returns the directory with the files of a layer.
func (d *dockerDevice) files(below ...digest.Digest) string {
	id, err := os.ReadFile(filepath.Join(d.metadata(below...), "cache-id"))
	require.NoError(d.t, err)
	return filepath.Join(d.Data, "overlay2", string(id), "diff")
}

// TestDamagedLayerIsFetchedAgain damages layers as a power cut or a failing card does. Docker counts them as present.
func TestDamagedLayerIsFetchedAgain(t *testing.T) {
	d := newDockerDevice(t)
	r := newRegistry(t, d.program)
	d.use(r.name)
	_, err := d.SetNext(t.Context(), "1", false)
	require.NoError(t, err)
	container, _ := d.boots(1)
	problems, err := d.VerifyImages(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, problems)

	require.NoError(t, os.Truncate(filepath.Join(d.files(r.layers...), "data/file"), 0))
	d.Run(nil, "pull", r.name)
	problems, err = d.VerifyImages(t.Context(), 1)
	require.NoError(t, err)
	name := r.name
	require.Equal(t, []string{fmt.Sprintf("image %s is damaged: layer %s: data/file has 0 bytes, want 4000", name, r.layers[1])}, problems)
	_, err = d.SetNext(t.Context(), "1", false)
	require.ErrorContains(t, err, "stage 1 was not made next: "+problems[0]+"\n(to fetch it again: pkctl stage verify 1 --repair")

	s := &service{Daemon: d.Daemon}
	repaired, err := d.RepairImages(t.Context(), 1, s)
	require.NoError(t, err)
	require.Equal(t, problems, repaired)
	require.Equal(t, 1, s.stops)
	require.NoDirExists(t, filepath.Join(d.Data, "pkctl-repair"))
	again, _ := d.boots(1)
	require.Equal(t, container, again, "containers stay")
	require.Contains(t, d.Run(nil, "cp", "a-main-1:/data/file", "-"), strings.Repeat("data", 1000))

	// Docker forgets an image with damaged metadata when it starts, and cannot pull its layer again.
	for _, damage := range []func(){
		func() { require.NoError(t, os.Truncate(filepath.Join(d.metadata(r.layers[0]), "cache-id"), 0)) },
		func() {
			require.NoError(t, os.Truncate(filepath.Join(d.metadata(r.layers...), "tar-split.json.gz"), 0))
		},
		func() { require.NoError(t, os.RemoveAll(d.files(r.layers[0]))) },
	} {
		d.Daemon.Stop()
		damage()
		d.Daemon.Start()
		problems, err = d.VerifyImages(t.Context(), 1)
		require.NoError(t, err)
		require.NotEmpty(t, problems)
		_, err = d.RepairImages(t.Context(), 1, s)
		require.NoError(t, err)
		d.boots(1)
	}

	// Images that are only missing are pulled, with Docker running.
	d.Run(nil, "rm", "--force", "a-main-1")
	d.Run(nil, "image", "prune", "--all", "--force")
	stops := s.stops
	repaired, err = d.RepairImages(t.Context(), 1, s)
	require.NoError(t, err)
	require.Equal(t, []string{"image " + name + " is not on the device"}, repaired)
	require.Equal(t, stops, s.stops)
}

// TestRepairOfImportedImage says what to do with a damaged image that no registry is known to have.
func TestRepairOfImportedImage(t *testing.T) {
	d := newDockerDevice(t)
	d.tag("old")
	_, err := d.SetNext(t.Context(), "1", false)
	require.NoError(t, err)
	image, err := docker.Client{}.Image(t.Context(), imageName)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(d.files(digest.Digest(image.RootFS.Layers[0])), "content"), 0))
	s := &service{Daemon: d.Daemon}
	_, err = d.RepairImages(t.Context(), 1, s)
	require.ErrorContains(t, err, "repair the images of stage 1: image "+imageName+" came in a file, so no registry is known to have it: "+
		"delete it with docker image rm --force "+image.ID+" and import the stage again")
	require.Zero(t, s.stops)
}
