package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestEveryCommandHasExamples: the help of each command has examples of itself whose flags and arguments are accepted.
func TestEveryCommandHasExamples(t *testing.T) {
	var walk func(cmd *cobra.Command)
	count := 0
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.HasSubCommands() || cmd.Hidden {
			return
		}
		require.NotEmpty(t, cmd.Example, cmd.CommandPath())
		for line := range strings.Lines(cmd.Example) {
			for call := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSpace(line), " | ", " && "), " && ") {
				words := strings.Fields(strings.Split(call, " >")[0])
				if words[0] != "pkbuild" || words[1] == "--version" {
					continue // a command beside it
				}
				count++
				found, rest, err := root().Find(words[1:])
				require.NoError(t, err, line)
				require.Equal(t, cmd.Name(), found.Name(), line)
				require.NoError(t, found.ParseFlags(rest), line)
				require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
			}
		}
	}
	walk(root())
	require.Greater(t, count, 40)
}
