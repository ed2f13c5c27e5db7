package testscripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/qemu"
)

// dockerRecipe is the default recipe with two container images: a real one, and one with all that an archive can have.
// The device has a registry with both, and with a further one, as a program and its files.
const dockerRecipe = `name: docker
include: [%s]
layers:
  - files:
      - {target: /opt/dockercheck/dockercheck, source: dockercheck, mode: "0755"}
      - {target: /opt/dockercheck/layout, source: layout}
  - containers:
      images:
        - {name: "127.0.0.1:5000/mosquitto:1", source: "oci:layout:mosquitto:1"}
        - {name: "127.0.0.1:5000/variety:1", source: "oci:layout:variety:1"}
`

// TestDockerInTheImage boots an image with Docker's store and has the Docker in it judge that, without a network: against
// what a second Docker there unpacks of the same images, with a registry, an upgrade, and the removal of all.
func TestDockerInTheImage(t *testing.T) {
	needBoots(t)
	services := os.Getenv("PKBUILD_TEST_SERVICES")
	require.NotEmpty(t, services, "PKBUILD_TEST_SERVICES does not name the image of make services")
	const program = "../images/internal/dockercheck"
	dir := t.TempDir()
	tool(t, "cp", deviceProgram(t, program), dir)
	tool(t, "go", "run", program, "layout", filepath.Join(dir, "layout"), filepath.Join(filepath.Dir(services), "containers"))
	base, err := filepath.Abs("../recipes/planktoscope.yml")
	require.NoError(t, err)
	recipe, img := filepath.Join(dir, "docker.yml"), filepath.Join(dir, "docker.img")
	require.NoError(t, os.WriteFile(recipe, fmt.Appendf(nil, dockerRecipe, base), 0o644))
	for _, args := range [][]string{{"lock", recipe}, {"image", "-q", recipe, "-o", img}} {
		out, err := exec.Command(filepath.Join(programs(t), "pkbuild"), args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	require.NoError(t, os.Truncate(img, cardSize))

	r := boot(t, img, qemu.Options{Offline: true, Timeout: 30 * time.Minute, Checks: []qemu.Check{script(t, "docker")}})
	t.Logf("%+v", r.Seconds)
	t.Log(r.Checks[0].Text)
	require.Empty(t, qemu.Judge(r))
}
