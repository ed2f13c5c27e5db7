package apply_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/dockertest"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/stages/apply"
)

// startDocker starts a Docker daemon for the test, and points the program docker to it.
func startDocker(t *testing.T) {
	t.Helper()
	dockertest.Need(t)
	if out, err := exec.Command("docker", "compose", "version").CombinedOutput(); err != nil {
		needs.Unavailable(t, "%s: run .ci/deps", strings.TrimSpace(string(out)))
	}
	t.Setenv("DOCKER_HOST", dockertest.Start(t, t.TempDir()).Host)
}

// command runs docker and returns what it prints.
func command(t *testing.T, in []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command("docker", args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
	return string(out)
}

// importImage imports an image with one program, which waits, or with an argument succeeds if a file of that name exists.
func importImage(t *testing.T) {
	program := dockertest.Program(t)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "main", Mode: 0o755, Size: int64(len(program))}))
	_, err := w.Write(program)
	require.NoError(t, errors.Join(err, w.Close()))
	command(t, archive.Bytes(), "import", "-", "example.org/main:1")
}

// realApp writes an app. Its container is healthy if it contains a file of the given name.
func realApp(t *testing.T, home, name, healthy string) apply.App {
	a := app(name)
	a.Dir = filepath.Join(home, name)
	a.Files, a.Images = []string{filepath.Join(a.Dir, "compose.yml")}, []string{"example.org/main:1"}
	write(t, a.Files[0], fmt.Sprintf(`
services:
  main:
    image: example.org/main:1
    command: [/main]
    network_mode: none
    stop_grace_period: 1s
    volumes: ["data:/data", "./compose.yml:/compose.yml:ro"]
    healthcheck: {test: [CMD, /main, %s], interval: 200ms, retries: 2}
volumes: {data: {}}
`, healthy))
	return a
}

// TestRealDocker starts apps with a real Docker and Compose.
func TestRealDocker(t *testing.T) {
	startDocker(t)
	importImage(t)
	home, user := t.TempDir(), t.TempDir()
	c := apply.Converger{Docker: apply.CLI{}, StageDirs: []string{home}, Report: func(o apply.Outcome) { t.Log(o) }}
	a, b, ill := realApp(t, home, "a", "/compose.yml"), realApp(t, home, "b", "/compose.yml"), realApp(t, home, "ill", "/nowhere")
	b.After = []string{"a"}
	mine := realApp(t, user, "mine", "/main")
	require.NoError(t, apply.CLI{}.Up(t.Context(), mine))
	containers := func() string {
		return command(t, nil, "ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}")
	}
	names := func() string {
		return strings.Join(strings.Fields(command(t, nil, "ps", "--all", "--format", "{{.Names}}")), " ")
	}

	out, err := c.Converge(t.Context(), []apply.App{a, b})
	require.NoError(t, err)
	require.Equal(t, []string{"app a: running", "app b: running"}, []string{out[0].String(), out[1].String()})
	require.Equal(t, "healthy\n", command(t, nil, "inspect", "--format", "{{.State.Health.Status}}", "a-main-1"))
	all, err := c.Docker.Containers(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 3)

	// A second run changes nothing.
	before := containers()
	_, err = c.Converge(t.Context(), []apply.App{a, b})
	require.NoError(t, err)
	require.Equal(t, before, containers())

	// Unhealthy apps and those without an image fail; apps of other stages are removed, the user's stay.
	missing := realApp(t, home, "missing", "/main")
	missing.Images = []string{"example.org/nowhere:1"}
	out, err = c.Converge(t.Context(), []apply.App{a, ill, missing})
	require.NoError(t, err)
	require.Equal(t, "app b: removed", out[0].String())
	require.Equal(t, "app a: running", out[1].String())
	require.Regexp(t, `^app ill: failed: container ill-main-1 of ill is running \(Up .* \(unhealthy\)\): container ill-main-1 is unhealthy: docker compose .*: exit status 1$`, out[2].String())
	require.Equal(t, "app missing: failed: images not on the device: example.org/nowhere:1 (with a network: pkctl stage apply --pull)",
		out[3].String())
	require.ElementsMatch(t, []string{"a-main-1", "ill-main-1", "mine-main-1"}, strings.Fields(names()))

	// A reset removes volumes, too, also those of apps without containers.
	require.NoError(t, c.Purge(t.Context(), []string{"b", "mine", "never-was"}))
	require.Equal(t, "mine-main-1", names())
	require.Equal(t, "mine_data", strings.TrimSpace(command(t, nil, "volume", "ls", "--quiet")))
	command(t, nil, "image", "inspect", "example.org/main:1")
}
