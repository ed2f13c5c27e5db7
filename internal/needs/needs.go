// Package needs tells tests what the machine lacks: where PKBUILD_TEST_STRICT is set, as in CI, they fail, elsewhere they
// are skipped with the reason. It is for tests only.
package needs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Unavailable skips a test with the reason why it cannot run on this machine; in strict mode, if PKBUILD_TEST_STRICT is set,
// it fails the test.
func Unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("PKBUILD_TEST_STRICT") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Root skips the test unless it runs as root; in strict mode it fails the test.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Unavailable(t, "needs root")
	}
}

// Program returns the path of a program, also if it is only in /usr/sbin or /sbin. If it is not installed the test is
// skipped, or fails in strict mode.
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
