// Package treetest writes trees as lines of text, for tests only.
package treetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// New returns the tree that lines describe, each a type letter, a path and a content or target: "d usr", "f usr/x content",
// "l bin usr/bin" (a symlink), "w gone" (a whiteout), "h b a" (b, another name of the earlier file a).
func New(t *testing.T, lines ...string) *tree.Tree {
	t.Helper()
	out := tree.New()
	for _, line := range lines {
		f := append(strings.SplitN(line, " ", 3), "")
		var n *tree.Node
		switch f[0] {
		case "d":
			n = &tree.Node{Mode: 0o755}
		case "f":
			n = &tree.Node{Type: tree.Regular, Mode: 0o644, Content: tree.Inline(f[2])}
		case "l":
			n = &tree.Node{Type: tree.Symlink, Mode: 0o777, Target: f[2]}
		case "w":
			n = &tree.Node{Type: tree.Char}
		case "h":
			n = out.Get(f[2])
		}
		require.NotNil(t, n, line)
		require.NoError(t, out.Put(f[1], n))
	}
	return out
}

// List returns a tree as lines in the format that New reads, in the order of Walk. Owners, modes and times are left out, and
// a hard link is listed as a file. The test fails for devices, fifos and sockets.
func List(t *testing.T, in *tree.Tree) []string {
	t.Helper()
	var out []string
	for name, n := range in.Walk() {
		switch {
		case name == "":
		case n.Type == tree.Directory:
			out = append(out, "d "+name)
		case n.Type == tree.Symlink:
			out = append(out, "l "+name+" "+n.Target)
		case n.IsWhiteout():
			out = append(out, "w "+name)
		default:
			data, err := in.ReadFile(name)
			require.NoError(t, err)
			out = append(out, "f "+name+" "+string(data))
		}
	}
	return out
}
