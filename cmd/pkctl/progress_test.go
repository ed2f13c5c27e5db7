package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// Without a terminal each state is a line, and counts are left out.
func TestProgressWithoutTerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	require.NoError(t, err)
	p := progress{w: file}
	for _, state := range []images.State{images.Fetching, images.Layers, images.Fetched} {
		p.fetch(images.Event{Image: "caddy:2", Number: 1, Total: 2, State: state, Text: "1 of 3 layers"})
	}
	for done := range int64(3) {
		p.transfer(transfer.Event{Text: "verify the file", Done: done, Total: 2})
	}
	p.rewrite("half")
	p.line("done")
	require.NoError(t, file.Close())
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	require.Equal(t, "image 1 of 2: fetching caddy:2: 1 of 3 layers\nimage 1 of 2: fetched caddy:2: 1 of 3 layers\nverify the file\n"+
		"\r\x1b[Khalf\ndone\n", string(text))
}
