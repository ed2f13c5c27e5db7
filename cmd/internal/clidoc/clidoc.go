// Package clidoc writes the man pages of a program and its reference in Markdown, both from its cobra commands. It
// leaves out hidden commands.
package clidoc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/output"
)

// Command returns a hidden subcommand "man", which writes to a directory the man pages of the program, in the given
// section of the manual, or with --markdown its reference in Markdown.
func Command(section string) *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write the man pages",
		Hidden: true,
		Args:   cli.Exactly("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			if markdown {
				file := filepath.Join(args[0], root.Name()+".md")
				if err := output.WriteFile(cmd.Context(), file, Markdown(root)); err != nil {
					return err
				}
				return cli.Silent(cmd, map[string]string{"file": file})
			}
			root.DisableAutoGenTag = true
			epoch := time.Unix(0, 0).UTC() // the same bytes whenever they are written
			header := doc.GenManHeader{Title: strings.ToUpper(root.Name()), Section: section, Source: "pkbuild", Date: &epoch}
			if err := doc.GenManTree(root, &header, args[0]); err != nil {
				return err
			}
			return cli.Silent(cmd, map[string]string{"directory": args[0]})
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "write one page in Markdown instead")
	return cmd
}

// Markdown returns the reference of a program in Markdown: each command with its usage, examples and options.
func Markdown(root *cobra.Command) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n\n%s.\n\nThis page is generated from the program: `make docs`.\n", root.Name(), root.Short)
	list(&out, root)
	writeCommand(&out, root)
	return out.Bytes()
}

// list writes a table of all commands.
func list(out *bytes.Buffer, root *cobra.Command) {
	fmt.Fprintf(out, "\n| command | does |\n|---|---|\n")
	walk(root, func(c *cobra.Command) {
		if documented(c) {
			fmt.Fprintf(out, "| [`%s`](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), cell(c.Short))
		}
	})
}

// writeCommand writes a section for each command below root.
func writeCommand(out *bytes.Buffer, root *cobra.Command) {
	walk(root, func(c *cobra.Command) {
		if !documented(c) {
			return
		}
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(out, "\n## %s\n\n%s\n\n```\n%s\n```\n", c.CommandPath(), strings.TrimSpace(text), c.UseLine())
		if c.Example != "" {
			fmt.Fprintf(out, "\nExamples:\n\n```sh\n%s\n```\n", unindent(c.Example))
		}
		options(out, c)
	})
}

// documented reports whether a command does something itself: a group only prints its help, and has no examples.
func documented(c *cobra.Command) bool {
	return c.Runnable() && (!c.HasAvailableSubCommands() || c.Example != "")
}

func walk(c *cobra.Command, visit func(*cobra.Command)) {
	if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
		return
	}
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

// options writes a table of a command's options, those that it inherits included.
func options(out *bytes.Buffer, c *cobra.Command) {
	var rows []string
	add := func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := strings.TrimSpace("--" + f.Name + " " + strings.ToUpper(value))
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && !strings.HasPrefix(f.DefValue, "/root") {
			usage += " (default " + f.DefValue + ")"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s |", name, cell(usage)))
	}
	c.NonInheritedFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	if len(rows) > 0 {
		fmt.Fprintf(out, "\n| option | meaning |\n|---|---|\n%s\n", strings.Join(rows, "\n"))
	}
}

// cell escapes text for a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

// unindent removes the two spaces with which examples in the help are indented.
func unindent(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimPrefix(strings.TrimRight(line, "\n"), "  "))
	}
	return strings.Join(lines, "\n")
}
