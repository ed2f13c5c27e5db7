package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/output"
	"github.com/PlanktoScope/pkbuild/qemu/scenario"
	"github.com/PlanktoScope/pkbuild/recipes"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON schema of recipes, for editors",
		Example: "  pkbuild schema >recipe.schema.json",
		Args:    cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := recipes.Schema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}

// docsCommand returns the command that writes the generated parts of docs/.
func docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "docs DIRECTORY",
		Short:  "Write the generated parts of the documentation",
		Hidden: true,
		Args:   cli.Exactly("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			for _, schema := range []struct {
				name  string
				write func() ([]byte, error)
			}{
				{"recipe", recipes.Schema}, {"scenario", scenario.Schema}, {"expectations", scenario.ExpectationsSchema},
			} {
				text, err := schema.write()
				if err != nil {
					return err
				}
				if err := output.WriteFile(ctx, filepath.Join(args[0], schema.name+".schema.json"), text); err != nil {
					return err
				}
			}
			if err := output.WriteFile(ctx, filepath.Join(args[0], "scenarios.md"), scenario.Reference()); err != nil {
				return err
			}
			return output.WriteFile(ctx, filepath.Join(args[0], "recipe.md"), recipes.Reference())
		},
	}
}
