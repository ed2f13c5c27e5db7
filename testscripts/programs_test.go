package testscripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// programs returns the directory of the compiled programs: PKBUILD_TEST_BIN, where `make build` put them, or else a new one.
func programs(t *testing.T) string {
	if bin := os.Getenv("PKBUILD_TEST_BIN"); bin != "" {
		return bin
	}
	return compile(t)
}

// compile builds the commands with the tags in GOFLAGS, as make does.
func compile(t *testing.T) (dir string) {
	dir = t.TempDir()
	for _, c := range []struct{ name, pkg, arch string }{
		{"pkbuild", "../cmd/pkbuild", ""},
		{"pkctl", "../cmd/pkctl", ""},
		{"pkinit-arm64", "../cmd/pkinit", "arm64"},
		{"pkctl-arm64", "../cmd/pkctl", "arm64"},
	} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, c.name), c.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if c.arch != "" {
			cmd.Env = append(cmd.Env, "GOARCH="+c.arch)
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", cmd, out)
	}
	return dir
}
