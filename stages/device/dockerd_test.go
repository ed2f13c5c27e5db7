package device_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/dockertest"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/apply"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/docker"
)

const imageName = "example.org/main:1"

// dockerDevice is a device with a real Docker and stages 1 and 2, whose app uses the same image name.
type dockerDevice struct {
	*dockertest.Daemon
	device.Device
	t       *testing.T
	program []byte
}

func newDockerDevice(t *testing.T) *dockerDevice {
	t.Helper()
	return dockerDeviceIn(t, t.TempDir())
}

// dockerDeviceIn returns a device whose stages and Docker are in a directory.
func dockerDeviceIn(t *testing.T, home string) *dockerDevice {
	t.Helper()
	dockertest.Need(t)
	if out, err := exec.Command("docker", "compose", "version").CombinedOutput(); err != nil {
		needs.Unavailable(t, "%s: run .ci/deps", strings.TrimSpace(string(out)))
	}
	d := &dockerDevice{Daemon: dockertest.Start(t, filepath.Join(home, "docker")), t: t, program: dockertest.Program(t)}
	t.Setenv("DOCKER_HOST", d.Host)
	d.Device = device.Device{
		Store: filepath.Join(home, "store"), State: filepath.Join(home, "state"), Boot: filepath.Join(home, "boot.json"), Docker: docker.Client{},
	}
	put(t, d.Store, map[string]string{"forklift-stage-store.yml": "forklift-version: v0.7.0\nstaged: {}\n"})
	for _, n := range []string{"1", "2"} {
		put(t, filepath.Join(d.Store, n), map[string]string{
			"forklift-bundle.yml":              bundle + "deploys: {a: {package: /a}}\n",
			"packages/a/forklift-package.yml":  "deployment: {compose-files: [compose.yml]}\n",
			"packages/forklift-repository.yml": "forklift-version: v0.8.0\nrepository: {path: /}\n",
			"packages/a/compose.yml": "services: {main: {image: \"" + imageName +
				"\", command: [/main], network_mode: none, stop_grace_period: 1s}}\n",
		})
	}
	return d
}

// tag gives the name of the stages' image to a new image, and returns its ID.
func (d *dockerDevice) tag(content string) string {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, data := range map[string][]byte{"main": d.program, "content": []byte(content)} {
		require.NoError(d.t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}))
		_, err := w.Write(data)
		require.NoError(d.t, err)
	}
	require.NoError(d.t, w.Close())
	return strings.TrimSpace(d.Run(archive.Bytes(), "import", "-", imageName))
}

// boots applies a stage, as after a boot with it, and returns the ID of the app's container and that of its image.
func (d *dockerDevice) boots(stage int) (container, image string) {
	d.t.Helper()
	dir := filepath.Join(d.Store, strconv.Itoa(stage))
	apps, err := apply.Apps(d.t.Context(), dir)
	require.NoError(d.t, err)
	c := apply.Converger{Docker: apply.CLI{}, StageDirs: []string{d.Store}, Report: func(apply.Outcome) {}}
	out, err := c.Converge(d.t.Context(), apps)
	require.NoError(d.t, err)
	require.Equal(d.t, "app a: running", out[len(out)-1].String())
	fields := strings.Fields(d.Run(nil, "inspect", "--format", "{{.Id}} {{.Image}}", "a-main-1"))
	return fields[0], fields[1]
}

func (d *dockerDevice) lacks(image string) {
	d.t.Helper()
	_, err := d.Docker.Image(d.t.Context(), image)
	require.True(d.t, errors.Is(err, docker.ErrNoImage), "%v", err)
}

// TestImagesBelongToTheirStage moves the name of the image that two stages use, as a pull, a load or a user does.
func TestImagesBelongToTheirStage(t *testing.T) {
	d := newDockerDevice(t)
	old := d.tag("old")
	_, err := d.SetNext(t.Context(), "1", false)
	require.NoError(t, err)
	running, image := d.boots(1)
	require.Equal(t, old, image)

	further := d.tag("new")
	d.Run(nil, "image", "prune", "--force")
	again, _ := d.boots(1)
	require.Equal(t, running, again, "the container of the running stage stays")

	_, err = d.SetNext(t.Context(), "2", false)
	require.NoError(t, err)
	_, image = d.boots(2)
	require.Equal(t, further, image)
	d.Run(nil, "image", "prune", "--force")
	_, image = d.boots(1)
	require.Equal(t, old, image, "the fallback brings its own container back")

	_, err = d.SetNext(t.Context(), "1", false)
	require.NoError(t, err)
	_, image = d.boots(1)
	require.Equal(t, old, image, "choosing a stage again changes nothing")

	_, err = d.Remove(t.Context(), "2", false)
	require.NoError(t, err)
	pruned, err := d.Prune(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, []string{imageName}, pruned.Images)
	d.lacks(further)
	_, image = d.boots(1)
	require.Equal(t, old, image)
}

// TestStageWithoutPins starts a stage that another tool staged by name, and pins its images when it is applied.
func TestStageWithoutPins(t *testing.T) {
	d := newDockerDevice(t)
	require.ErrorIs(t, d.PinImages(t.Context(), 1), docker.ErrNoImage)
	old := d.tag("old")
	_, image := d.boots(1)
	require.Equal(t, old, image)
	require.NoError(t, d.PinImages(t.Context(), 1))
	d.tag("new")
	require.NoError(t, d.PinImages(t.Context(), 1))
	_, image = d.boots(1)
	require.Equal(t, old, image)
	require.FileExists(t, filepath.Join(d.Store, "1/pins.json"))
	require.NoFileExists(t, filepath.Join(d.Store, "1/pins.json.tmp"))
	differences := func() []string {
		_, all, err := d.Verify("1")
		if err != nil {
			return []string{err.Error()}
		}
		return all
	}
	require.NotContains(t, strings.Join(differences(), " "), "pins.json: added")
	require.NoError(t, os.WriteFile(filepath.Join(d.Store, "1/pins.json"), []byte(`{"version": 2}`), 0o644))
	_, err := apply.Apps(t.Context(), filepath.Join(d.Store, "1"))
	require.ErrorContains(t, err, "parse pins.json: version is 2, want 1")
}
