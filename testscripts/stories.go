// Package testscripts runs the commands as a user does: stories in testdata (txtar files of
// github.com/rogpeppe/go-internal/testscript), builds that are interrupted or repeated, and boots in QEMU. The stories are
// run by the tests of cmd/pkbuild and cmd/pkctl, in whose processes the commands count for the coverage.
package testscripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Stories runs the test scripts in testdata/COMMAND of a command, which TestMain has registered with testscript.Main. It
// first builds pkinit and pkctl for arm64 into the directory of the command's program, where they lie when installed.
func Stories(t *testing.T, command string) {
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(file))
	program, err := exec.LookPath(command)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pkinit", "pkctl"} {
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(filepath.Dir(program), name+"-arm64"), "./cmd/"+name)
		build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", build, err, out)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(root, "testscripts", "testdata", command),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PKBUILD_CACHE", filepath.Join(env.WorkDir, ".cache"))
			return nil
		},
	})
}
