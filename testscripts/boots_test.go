package testscripts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// needBoots skips a test that boots further images, unless make boot-test runs it.
func needBoots(t *testing.T) {
	t.Helper()
	if os.Getenv("PKBUILD_TEST_BOOTS") == "" {
		t.Skip("boots further images: run make boot-test")
	}
}

// runScenario runs a scenario with an image. The files of a scenario that fails stay.
func runScenario(t *testing.T, image string, s *scenario.Scenario) *scenario.Result {
	t.Helper()
	dir, err := os.MkdirTemp("", "pkbuild-test-")
	require.NoError(t, err)
	results := qemu.Suite{
		Image: image, Dir: dir, Progress: func(_ *scenario.Scenario, step string) { t.Log(step) },
	}.Run(t.Context(), []*scenario.Scenario{s})
	_ = os.Remove(dir) // unless it holds files
	return results[0]
}

// passScenario runs a scenario of qemu/scenarios, which must pass.
func passScenario(t *testing.T, image, name string) {
	t.Helper()
	s, err := scenario.Load(filepath.Join("../qemu/scenarios", name+".yml"))
	require.NoError(t, err)
	r := runScenario(t, image, s)
	require.False(t, r.Failed(), "%s\n%s", r.Message(), r.Details)
}

// TestExpectationsFail boots the image with expectations none of which holds: each kind is shown to fail on a real system.
func TestExpectationsFail(t *testing.T) {
	needBoots(t)
	const file = "testdata/failing-expectations.yml"
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	s, err := scenario.ParseExpectations(file, src)
	require.NoError(t, err)
	r := runScenario(t, image(t), s)
	require.NoError(t, r.Err)
	var failures []string
	for _, f := range r.Failures {
		failures = append(failures, f.Place.Path)
	}
	require.Equal(t, []string{
		"defects", "report.stage", "report.steps", "units[\"ssh.service\"]", "failed-units", "mounts[\"/usr\"].lowerdirs",
		"mounts[\"/nowhere\"]", "files[\"/etc/passwd\"].content", "files[\"/etc/passwd\"].mode", "ports.22", "ports.23",
		"containers.nobody", "commands[0]", "commands[0].matches[0]", "journal.lacks[0]", "console.matches[0]", "phases",
	}, failures, r.Message())
	require.Contains(t, r.Details, "qemu-system-aarch64")
	require.Contains(t, r.Details, "pkinit: ")
}
