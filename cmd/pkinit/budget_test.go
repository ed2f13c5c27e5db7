package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// target is what pkinit is built for. What it may cost is settled here.
var target = []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64"}

// maxSize is how large the program may be, in bytes.
const maxSize = 6_000_000

// Every package that comes into the program is a decision: each is code that runs as root before everything else.
func TestDependencies(t *testing.T) {
	want, err := os.ReadFile("testdata/dependencies.txt")
	require.NoError(t, err)
	got := goTool(t, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	require.Equal(t, string(want), got, "if the change is meant, write the list anew")
}

func TestSize(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pkinit")
	goTool(t, "build", "-trimpath", "-ldflags=-s -w", "-o", file, ".")
	i, err := os.Stat(file)
	require.NoError(t, err)
	require.LessOrEqual(t, i.Size(), int64(maxSize))
	t.Logf("%d bytes of %d", i.Size(), maxSize)
}

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), target...)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", cmd)
	return string(out)
}
