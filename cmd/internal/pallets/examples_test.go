package pallets

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestHelpSpeaksOfTheProgram: each command has examples that can be parsed, and no help names the other program.
func TestHelpSpeaksOfTheProgram(t *testing.T) {
	for program, other := range map[string]string{"pkbuild": "pkctl", "pkctl": "pkbuild"} {
		group, _ := Command(program)
		root := &cobra.Command{Use: program}
		root.AddCommand(group)
		used := 0
		for _, cmd := range group.Commands() {
			require.NotEmpty(t, cmd.Example, cmd.Name())
			require.NotContains(t, cmd.Short+cmd.Long+cmd.Example, other+" ", cmd.Name())
			for _, line := range strings.Split(cmd.Example, "\n") {
				used++
				found, rest, err := root.Find(strings.Fields(line)[1:])
				require.NoError(t, err, line)
				require.Equal(t, cmd.Name(), found.Name(), line)
				require.NoError(t, found.ParseFlags(rest), line)
				require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
			}
		}
		count := 0
		for _, calls := range examples {
			count += len(calls)
		}
		require.Equal(t, count, used, "examples of commands that do not exist")
	}
}
