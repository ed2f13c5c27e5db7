package docker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// program puts a docker on the PATH that does what a script says.
func program(t *testing.T, script string) Client {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return Client{}
}

func TestErrors(t *testing.T) {
	for name, test := range map[string]struct{ script, says string }{
		"no daemon": {"echo 'Cannot connect to the Docker daemon at unix:///x.sock.' >&2; exit 1",
			"docker cannot be asked: Cannot connect to the Docker daemon at unix:///x.sock."},
		"no permission": {"echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1",
			"docker cannot be asked: permission denied while trying"},
		"no image": {"echo 'Error: No such image: x' >&2; exit 1", "image x: docker does not have it"},
		"another":  {"echo broken >&2; exit 3", "broken: docker image inspect -- x: exit status 3"},
		"no JSON":  {"echo '['", "what docker image inspect says: unexpected end of JSON input"},
		"two":      {"echo '[{}, {}]'", "docker image inspect tells of 2 images of the name x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := program(t, test.script).Image(t.Context(), "x")
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestErrorsAreTold(t *testing.T) {
	_, err := program(t, "echo 'Error response: no such image' >&2; exit 1").Image(t.Context(), "x")
	require.ErrorIs(t, err, ErrNoImage)
	t.Setenv("PATH", t.TempDir())
	_, err = Client{}.Host(t.Context())
	require.ErrorIs(t, err, ErrNone)
	require.EqualError(t, err, `docker cannot be asked: exec: "docker": executable file not found in $PATH`)
}

func TestOnlyTheEndIsKept(t *testing.T) {
	_, err := program(t, "seq 100000 >&2; exit 1").Run(t.Context(), "x")
	require.Less(t, len(err.Error()), 2*tail)
	require.True(t, strings.HasSuffix(err.Error(), "99999\n100000: docker x: exit status 1"), err)
}

func TestEnvironmentIsOurOwn(t *testing.T) {
	t.Setenv("COMPOSE_PROJECT_NAME", "x")
	t.Setenv("DOCKER_HOST", "unix:///y.sock")
	out, err := program(t, "env; pwd").Run(t.Context())
	require.NoError(t, err)
	require.NotContains(t, out, "COMPOSE_PROJECT_NAME")
	require.Contains(t, out, "DOCKER_HOST=unix:///y.sock\n")
	require.True(t, strings.HasSuffix(out, "\n/\n"), out)
}

func TestInterrupted(t *testing.T) {
	c := program(t, "exec sleep 100")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Run(ctx, "ps")
	require.ErrorIs(t, err, context.Canceled)
}

func TestPullPassesOnWhatIsSaid(t *testing.T) {
	var said []string
	err := program(t, `echo "$@"; echo done`).Pull(t.Context(), "x", "linux/arm64", func(line string) { said = append(said, line) })
	require.NoError(t, err)
	require.Equal(t, []string{"image pull --platform linux/arm64 -- x", "done"}, said)
}

func TestHost(t *testing.T) {
	h, err := program(t, `case $1 in version) echo linux/arm64 ;; *)
		echo '{"DockerRootDir": "/d", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}' ;; esac`).Host(t.Context())
	require.NoError(t, err)
	require.Equal(t, Host{Root: "/d", Platform: "linux/arm64", Containerd: true}, h)
}

func TestSizes(t *testing.T) {
	sizes, err := program(t, `echo '"7"'; echo '"0"'; echo '"4096"'`).Sizes(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, []int64{4096, 0, 7}, sizes)
}
