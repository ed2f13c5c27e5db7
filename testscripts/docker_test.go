package testscripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// dockerRecipe is the default recipe with two container images: a real one, and one with every kind of file. The device
// has a program that serves a registry with both, and with a third one.
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

// TestDockerInTheImage builds an image with Docker's store, and has Docker in the booted system use it: scenario docker.
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
	passScenario(t, img, "docker")
}
