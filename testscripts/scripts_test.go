package testscripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// TestScripts runs every story with the programs on the PATH.
func TestScripts(t *testing.T) {
	bin := programs(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("PKBUILD_CACHE", filepath.Join(env.WorkDir, ".cache"))
			return nil
		},
	})
}

// programs is the directory of the programs: that of those that `make build` made, where PKBUILD_TEST_BIN names it, else
// one of programs compiled now.
func programs(t *testing.T) string {
	if bin := os.Getenv("PKBUILD_TEST_BIN"); bin != "" {
		return bin
	}
	return compile(t)
}

// compile builds the commands as make does.
func compile(t *testing.T) (dir string) {
	dir = t.TempDir()
	for _, c := range []struct{ name, pkg, arch string }{
		{"pkbuild", "../cmd/pkbuild", ""},
		{"pkctl", "../cmd/pkctl", ""},
		{"pkinit-arm64", "../cmd/pkinit", "arm64"},
		{"pkctl-arm64", "../cmd/pkctl", "arm64"},
	} {
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "containers_image_openpgp", "-o", filepath.Join(dir, c.name), c.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if c.arch != "" {
			cmd.Env = append(cmd.Env, "GOARCH="+c.arch)
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", cmd, out)
	}
	return dir
}
