package docker

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/internal/listing"
	"github.com/PlanktoScope/pkbuild/internal/dockertest"
	"github.com/PlanktoScope/pkbuild/internal/tartest"
)

func TestRealDocker(t *testing.T) {
	dockertest.Need(t)
	s := newShelf(t)
	lower, upper := variety(t)
	none := archiveOf(t)
	base := archiveOf(t, tartest.Dir("bin"), tartest.File("bin/hello", tartest.Hello()).With(func(h *tar.Header) { h.Mode = 0o755 }))
	server := newServer(t)
	plain := server.push(s, s.image("plain:1", base, none))
	further := server.push(s, s.image("further:1", base, archiveOf(t, tartest.File("further", "new"))))
	all := []images.Image{
		plain, s.image("planktoscope/variety:2", lower, upper, none),
		s.image("planktoscope/deep:3", append([][]byte{base}, numbered(t, images.MaxLayers-1)...)...),
	}
	store, err := s.tree(all...)
	require.NoError(t, err)
	ours := startDocker(t, dockertest.Mount(t, Dir, store))
	theirs := startDocker(t, t.TempDir())
	theirs.load(s, all[:2]...) // Docker itself loads no more than 125 layers

	for _, image := range all {
		require.Contains(t, ours.docker("images", "--no-trunc"), image.ID().String())
		require.Equal(t, "hello\n", ours.docker("run", "--rm", "--network", "none", image.Names[0]), image.Names)
	}
	for _, image := range all[:2] {
		sum := func(d *daemon) string {
			return fmt.Sprintf("%x", sha256.Sum256([]byte(d.docker("save", image.Names[0]))))
		}
		require.Equal(t, sum(theirs), sum(ours), image.Names)
		inspect := []string{"inspect", "--format", "{{.Size}} {{.Id}} {{.Created}} {{json .RootFS}} {{json .Config}}", image.Names[0]}
		require.Equal(t, theirs.docker(inspect...), ours.docker(inspect...))
	}
	chains, err := chainsOf(all[:2])
	require.NoError(t, err)
	for _, l := range chains {
		requireSameDirectory(t, theirs.diffDir(l), ours.diffDir(l))
	}
	usage := []string{"system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"}
	require.Equal(t, "Images 3 0\nContainers 0 0\nLocal Volumes 0 0\nBuild Cache 0 0\n", ours.docker(usage...))
	requireShared(t, server, ours, plain, further, all[1].Names[0])
	ours.docker("system", "prune", "--all", "--force")
	requireEmpty(t, ours)
}

// requireShared lets Docker pull an image that shares a layer with ours, and push ours.
func requireShared(t *testing.T, server *server, ours *daemon, image, further images.Image, variety string) {
	t.Helper()
	require.Contains(t, ours.docker("images", "--digests"), image.Digest.String())
	require.Contains(t, ours.docker("pull", image.Names[0]), "Status: Image is up to date")
	require.Contains(t, ours.docker("pull", further.Names[0]), further.Layers[0].Digest.Encoded()[:12]+": Already exists")
	require.Equal(t, "hello\n", ours.docker("run", "--rm", "--network", "none", further.Names[0]))

	require.Contains(t, ours.docker("push", image.Names[0]), "Layer already exists", "distribution metadata of the layers")
	require.Empty(t, server.Pushed())
	elsewhere := server.host() + "/variety:1"
	ours.docker("tag", variety, elsewhere)
	ours.docker("push", elsewhere)
	require.Len(t, server.Pushed(), 3, "two layers and a configuration: the third layer is there")
	ours.docker("rmi", further.Names[0], elsewhere)
	require.Equal(t, "hello\n", ours.docker("run", "--rm", "--network", "none", image.Names[0]), "shared layers are kept")
}

// requireEmpty requires that a store has no images.
func requireEmpty(t *testing.T, d *daemon) {
	t.Helper()
	for _, dir := range []string{
		"overlay2/l", "image/overlay2/layerdb/sha256", "image/overlay2/imagedb/content/sha256", "image/overlay2/imagedb/metadata/sha256",
		"containers",
	} {
		require.Empty(t, names(t, filepath.Join(d.Data, dir)), dir)
	}
	require.Equal(t, []string{"l"}, names(t, filepath.Join(d.Data, "overlay2")))
	data, err := os.ReadFile(filepath.Join(d.Data, "image/overlay2/repositories.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"Repositories":{}}`, string(data))
}

// requireSameDirectory compares two directories, except for times that Docker does not take from the archive.
func requireSameDirectory(t *testing.T, want, got string) {
	t.Helper()
	read := func(dir string) []string {
		lines, err := listing.Of(dir, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		require.NoError(t, err)
		return lines
	}
	require.Equal(t, read(want), read(got), "%s and %s", want, got)
}
