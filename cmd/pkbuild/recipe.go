package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// recipeFlags are the flags of the commands that read a recipe.
type recipeFlags struct {
	set            []string
	helpers        string
	locked, noLock bool
}

func (f *recipeFlags) add(cmd *cobra.Command) {
	f.addSet(cmd)
	cmd.Flags().BoolVar(&f.locked, "locked", false, "demand that RECIPE.lock is there and fits in everything, as CI should")
	cmd.Flags().BoolVar(&f.noLock, "no-lock", false, "leave RECIPE.lock aside and take the newest packages")
	cmd.MarkFlagsMutuallyExclusive("locked", "no-lock")
	cmd.Flags().StringVar(&f.helpers, "helpers", "", "`directory` of the helper programs that go into images (default: that of pkbuild)")
}

// addSet adds the flags of the commands that read a recipe and compile none.
func (f *recipeFlags) addSet(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "set a variable of the recipe: `name=value` (repeatable)")
	cmd.ValidArgsFunction = recipeNames
}

func recipeNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt
}

// load loads a recipe.
func (f *recipeFlags) load(name string) (*recipes.Recipe, error) {
	set := map[string]string{}
	for _, s := range f.set {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%w: --set %q is not of the form name=value", cli.ErrUsage, s)
		}
		set[key] = value
	}
	return recipes.Load(name, recipes.Options{Set: set})
}

// compile loads a recipe and its lock and compiles them, with the cache that a flag names.
func (f *recipeFlags) compile(ctx context.Context, name, cache string) (*recipes.Recipe, *builder.Plan, error) {
	r, err := f.load(name)
	if err != nil {
		return nil, nil, err
	}
	in, err := pinnedInputs(cache)
	if err != nil {
		return nil, nil, err
	}
	if in.Lock, err = f.lock(ctx, name, r, in); err != nil {
		return nil, nil, err
	}
	dir, err := f.helperDir()
	if err != nil {
		return nil, nil, err
	}
	if in.Programs, err = digests(dir, r.Architecture); err != nil {
		return nil, nil, err
	}
	p, err := builder.Compile(ctx, r, in)
	return r, p, misfit(name, err)
}

// pinnedInputs are what pallets are read with, with the cache that a flag names.
func pinnedInputs(cache string) (in builder.Inputs, err error) {
	if in.Cache, err = cacheDir(cache); err != nil {
		return in, err
	}
	in.Mirrors, err = machineMirrors()
	return in, err
}

// machineMirrors are where this machine looks for what pallets require and download.
func machineMirrors() (mirror.Mirrors, error) {
	m, err := mirror.Parse(strings.Fields(os.Getenv("PKCTL_MIRRORS")))
	if err != nil {
		return nil, fmt.Errorf("PKCTL_MIRRORS: %w", err)
	}
	return m, nil
}

// compileDisk is compile for who makes an image of a disk.
func (f *recipeFlags) compileDisk(ctx context.Context, name, cache string) (*recipes.Recipe, *builder.Plan, error) {
	r, p, err := f.compile(ctx, name, cache)
	if err == nil && p.Container != nil {
		err = fmt.Errorf("%s describes a container: run pkbuild container %s", name, name)
	}
	return r, p, err
}

// digests are those of the programs that go into images.
func digests(dir, architecture string) (map[string]string, error) {
	out := map[string]string{}
	for _, program := range builder.Programs {
		helper := filepath.Join(dir, layers.Helper(program, architecture))
		digest, err := builder.Digest(helper)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the helper program %s is missing: run make build, or name its directory with --helpers", helper)
		}
		if err != nil {
			return nil, err
		}
		out[program] = digest
	}
	return out, nil
}

// lock reads the lock that a recipe is compiled with; nil if there is none.
func (f *recipeFlags) lock(ctx context.Context, name string, r *recipes.Recipe, in builder.Inputs) (*builder.Lock, error) {
	if f.noLock {
		return nil, nil
	}
	lock, err := builder.ReadLock(name)
	if err != nil || !f.locked {
		return lock, err
	}
	if lock == nil {
		return nil, errNoLock(name)
	}
	return lock, misfit(name, lock.Check(ctx, r, in))
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
		Long: "Print the plan that a recipe compiles to, as JSON. Nothing is built: the plan depends on the recipe, its lock,\n" +
			"the files that it names and the version of pkbuild alone. What a pallet requires or downloads is fetched unless\n" +
			"the cache has it.",
		Args: cli.Exactly("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, p, err := flags.compile(cmd.Context(), args[0], "")
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
