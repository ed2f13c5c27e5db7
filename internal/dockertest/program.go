package dockertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const source = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 {
		if _, err := os.Stat(os.Args[1]); err != nil {
			os.Exit(1)
		}
		return
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}
`

// Program returns a static program for containers without any other file. Without an argument it waits for SIGTERM; with one
// it exits with 0 if a file of that name exists, and with 1 otherwise.
func Program(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", "main", "main.go")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GO111MODULE=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	program, err := os.ReadFile(filepath.Join(dir, "main"))
	require.NoError(t, err)
	return program
}
