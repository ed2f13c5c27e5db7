package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
)

// The generated reference in docs/ is that of the commands; `make docs` writes it.
func TestReferenceIsCurrent(t *testing.T) {
	want, err := os.ReadFile("../../docs/cli/pkbuild.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(clidoc.Markdown(root())), "run: make docs")
}
