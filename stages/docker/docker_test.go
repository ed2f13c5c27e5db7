package docker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program puts a shell script named docker on the PATH.
func program(t *testing.T, script string) Client {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return Client{}
}

func TestErrors(t *testing.T) {
	for name, test := range map[string]struct{ script, wantErr string }{
		"no daemon": {"echo 'Cannot connect to the Docker daemon at unix:///x.sock.' >&2; exit 1",
			"cannot reach the Docker daemon: Cannot connect to the Docker daemon at unix:///x.sock."},
		"no permission": {"echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1",
			"cannot reach the Docker daemon: permission denied while trying"},
		"no image": {"echo 'Error: No such image: x' >&2; exit 1", "image x: image is not in Docker's store"},
		"no layer": {"echo 'Error response from daemon: layer does not exist' >&2; exit 1", "image x: image is not in Docker's store with all its layers"},
		"another":  {"echo broken >&2; exit 3", "broken: docker image inspect -- x: exit status 3"},
		"no JSON":  {"echo '['", "parse the output of docker image inspect: unexpected end of JSON input"},
		"two":      {"echo '[{}, {}]'", "docker image inspect printed 2 images for the name x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := program(t, test.script).Image(t.Context(), "x")
			require.ErrorContains(t, err, test.wantErr)
		})
	}
}

func TestSentinels(t *testing.T) {
	_, err := program(t, "echo 'Error response: no such image' >&2; exit 1").Image(t.Context(), "x")
	require.ErrorIs(t, err, ErrNoImage)
	t.Setenv("PATH", t.TempDir())
	_, err = Client{}.Host(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	require.EqualError(t, err, `cannot reach the Docker daemon: exec: "docker": executable file not found in $PATH`)
}

func TestErrorHasEndOfStderr(t *testing.T) {
	_, err := program(t, "seq 100000 >&2; exit 1").Run(t.Context(), "x")
	require.Less(t, len(err.Error()), 2*maxStderr)
	require.True(t, strings.HasSuffix(err.Error(), "99999\n100000: docker x: exit status 1"), err)
}

func TestEnvironmentIsFixed(t *testing.T) {
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

func TestPullOutput(t *testing.T) {
	var lines []string
	err := program(t, `echo "$@"; echo done`).Pull(t.Context(), "x", "linux/arm64", func(line string) { lines = append(lines, line) })
	require.NoError(t, err)
	require.Equal(t, []string{"image pull --platform linux/arm64 -- x", "done"}, lines)
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

// TestSilentDaemon has a daemon that accepts the question and never answers.
func TestSilentDaemon(t *testing.T) {
	c := program(t, "exec sleep 100")
	c.QueryLimit = 100 * time.Millisecond
	_, err := c.Image(t.Context(), "x")
	require.EqualError(t, err, "docker image inspect -- x: waited 100ms for the Docker daemon")
	_, err = c.Host(t.Context())
	require.ErrorContains(t, err, "waited 100ms for the Docker daemon")
}
