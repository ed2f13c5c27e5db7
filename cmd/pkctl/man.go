package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

// manCommand writes the man pages, which whoever packages pkctl installs.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write the man pages",
		Hidden: true,
		Args:   cli.Exactly("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			epoch := time.Unix(0, 0).UTC() // the same pages whenever they are written
			return doc.GenManTree(root, &doc.GenManHeader{Title: "PKCTL", Section: "8", Source: "pkbuild", Date: &epoch}, args[0])
		},
	}
}
