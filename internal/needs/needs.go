// Package needs tells tests what the machine lacks: where PKBUILD_TEST_STRICT is set, as in CI, they fail, elsewhere they
// are skipped with the reason. It is for tests only.
package needs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Unavailable ends a test that cannot run here, with the reason.
func Unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("PKBUILD_TEST_STRICT") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Root ends a test that is not run by root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Unavailable(t, "needs root")
	}
}

// Program is the path of a program; the test ends where it is missing. Those that administrators run are found, too,
// where they are not on the PATH.
func Program(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	Unavailable(t, "%s is missing: make deps", name)
	return ""
}
