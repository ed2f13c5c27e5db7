package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// recipeFlags are the flags of the commands that read a recipe.
type recipeFlags struct {
	set     []string
	helpers string
}

func (f *recipeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "set a variable of the recipe: `name=value` (repeatable)")
	cmd.Flags().StringVar(&f.helpers, "helpers", "", "`directory` of the helper programs that go into images (default: that of pkbuild)")
	cmd.ValidArgsFunction = recipeNames
}

func recipeNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt
}

// compile loads a recipe and compiles it.
func (f *recipeFlags) compile(name string) (*recipes.Recipe, *builder.Plan, error) {
	set := map[string]string{}
	for _, s := range f.set {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" {
			return nil, nil, fmt.Errorf("%w: --set %q is not of the form name=value", errUsage, s)
		}
		set[key] = value
	}
	r, err := recipes.Load(name, recipes.Options{Set: set})
	if err != nil {
		return nil, nil, err
	}
	dir, err := f.helperDir()
	if err != nil {
		return nil, nil, err
	}
	helper := filepath.Join(dir, layers.PkinitHelper(r.Architecture))
	pkinit, err := builder.Digest(helper)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("the boot helper %s is missing: run make build, or name its directory with --helpers", helper)
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := builder.Compile(r, builder.Inputs{Pkinit: pkinit})
	return r, p, err
}

func (f *recipeFlags) helperDir() (string, error) {
	if f.helpers != "" {
		return f.helpers, nil
	}
	exe, err := os.Executable()
	return filepath.Dir(exe), err
}

func planCommand() *cobra.Command {
	var flags recipeFlags
	cmd := &cobra.Command{
		Use:   "plan RECIPE",
		Short: "Print the plan that a recipe compiles to, as JSON",
		Long: "Print the plan that a recipe compiles to, as JSON. Nothing is built and nothing downloaded: the plan depends\n" +
			"on the recipe, the files that it names and the version of pkbuild alone.",
		Args: exactly("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, p, err := flags.compile(args[0])
			if err != nil {
				return err
			}
			return printJSON(cmd, p)
		},
	}
	flags.add(cmd)
	return cmd
}

func printJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
