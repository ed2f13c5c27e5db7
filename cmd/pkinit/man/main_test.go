package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
)

// The generated reference in docs/ is that of the commands; `make docs` writes it.
func TestReferenceIsCurrent(t *testing.T) {
	want, err := os.ReadFile("../../../docs/cli/pkinit.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(clidoc.Markdown(root())), "run: make docs")
}

func TestManPages(t *testing.T) {
	dir := t.TempDir()
	require.Equal(t, cli.Done, cli.Run(t.Context(), root(), []string{"man", dir}, t.Output(), t.Output()))
	page, err := os.ReadFile(filepath.Join(dir, "pkinit-step.8"))
	require.NoError(t, err)
	require.Contains(t, string(page), "overlay-usr, overlay-etc")
	require.FileExists(t, filepath.Join(dir, "pkinit.8"))
}
