package clidoc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func program() *cobra.Command {
	run := func(*cobra.Command, []string) error { return nil }
	root := &cobra.Command{Use: "tool", Short: "Do things"}
	write := &cobra.Command{Use: "write FILE", Short: "Write a|b", Example: "  tool write x\n  tool write y", RunE: run}
	write.Flags().StringP("out", "o", "x.img", "`file` to write")
	write.Flags().Bool("json", false, "print JSON")
	group := &cobra.Command{Use: "group", Short: "A group"}
	group.AddCommand(write)
	root.AddCommand(group, &cobra.Command{Use: "secret", Hidden: true, RunE: run}, Command("1"))
	return root
}

func TestMarkdown(t *testing.T) {
	require.Equal(t, "# tool\n\nDo things.\n\nThis page is generated from the program: `make docs`.\n\n"+
		"| command | does |\n|---|---|\n| [`tool group write`](#tool-group-write) | Write a\\|b |\n\n"+
		"## tool group write\n\nWrite a|b.\n\n```\ntool group write FILE [flags]\n```\n\n"+
		"Examples:\n\n```sh\ntool write x\ntool write y\n```\n\n"+
		"| option | meaning |\n|---|---|\n| `--json` | print JSON |\n| `-o, --out FILE` | file to write (default x.img) |\n",
		string(Markdown(program())))
}

func TestMan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	root := program()
	root.SetArgs([]string{"man", dir})
	require.NoError(t, root.Execute())
	page, err := os.ReadFile(filepath.Join(dir, "tool-group-write.1"))
	require.NoError(t, err)
	require.Contains(t, string(page), `.TH "TOOL" "1" "Jan 1970" "pkbuild" ""`)
	require.NoFileExists(t, filepath.Join(dir, "tool-secret.1"))

	root = program()
	root.SetArgs([]string{"man", dir, "--markdown"})
	require.NoError(t, root.Execute())
	require.FileExists(t, filepath.Join(dir, "tool.md"))
}
