package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// recipeFlags are the flags of the commands that read a recipe.
type recipeFlags struct {
	set            []string
	helpers        string
	arch           string // in place of the recipe's architecture; "" keeps it
	locked, noLock bool
}

func (f *recipeFlags) add(cmd *cobra.Command) {
	f.addSet(cmd)
	cmd.Flags().BoolVar(&f.locked, "locked", false, "require a RECIPE.lock that is up to date, including the contents of pallets, as CI should")
	cmd.Flags().BoolVar(&f.noLock, "no-lock", false, "ignore RECIPE.lock and use the newest packages")
	cmd.MarkFlagsMutuallyExclusive("locked", "no-lock")
	cmd.Flags().StringVar(&f.helpers, "helpers", "", "`directory` of the helper programs that go into images (default: that of pkbuild)")
}

// addArch adds the flag of the commands that can build for another architecture.
func (f *recipeFlags) addArch(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.arch, "arch", "", "Debian's name of another `architecture`, such as amd64: an image without kernel and firmware, for machine container; its lock is RECIPE.ARCH.lock")
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]string{"amd64", "arm64"}, cobra.ShellCompDirectiveNoFileComp))
}

// addSet adds the flags of the commands that do not compile the recipe.
func (f *recipeFlags) addSet(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "set a variable of the recipe: `name=value` (repeatable)")
	cmd.ValidArgsFunction = recipeNames
}

func recipeNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt
}

// load loads a recipe, with the cache of a flag for shipped recipes.
func (f *recipeFlags) load(name, cache string) (*recipes.Recipe, error) {
	set := map[string]string{}
	for _, s := range f.set {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%w: --set is %q, want name=value", cli.ErrUsage, s)
		}
		set[key] = value
	}
	dir, err := cacheDir(cache)
	if err != nil {
		return nil, err
	}
	return recipes.Load(name, recipes.Options{Set: set, Shipped: builder.ShippedDir(dir), Architecture: f.arch})
}

// compile loads a recipe and its lock, and compiles them with the cache of a flag.
func (f *recipeFlags) compile(ctx context.Context, name, cache string) (*recipes.Recipe, *builder.Plan, error) {
	r, err := f.load(name, cache)
	if err != nil {
		return nil, nil, err
	}
	o, err := gatherOptions(cache)
	if err != nil {
		return nil, nil, err
	}
	if o.Lock, err = f.readLock(name); err != nil {
		return nil, nil, err
	}
	dir, err := f.helperDir()
	if err != nil {
		return nil, nil, err
	}
	programs, err := digests(ctx, dir, r)
	if err != nil {
		return nil, nil, err
	}
	sources, err := builder.Gather(ctx, r, o)
	if err != nil {
		return nil, nil, stale(name, err)
	}
	if f.locked {
		if err := checkRequest(sources, o.Lock); err != nil {
			return nil, nil, stale(name, err)
		}
	}
	p, err := builder.Compile(sources, programs)
	return r, p, stale(name, err)
}

// gatherOptions returns the options for gathering the sources of a recipe with the cache of a flag.
func gatherOptions(cache string) (o builder.GatherOptions, err error) {
	if o.Cache, err = cacheDir(cache); err != nil {
		return o, err
	}
	o.Mirrors, err = machineMirrors()
	return o, err
}

// machineMirrors returns the mirrors of this machine for required pallets and downloads.
func machineMirrors() (mirror.Mirrors, error) {
	m, err := mirror.Parse(strings.Fields(os.Getenv("PKCTL_MIRRORS")))
	if err != nil {
		return nil, fmt.Errorf("PKCTL_MIRRORS: %w", err)
	}
	return m, nil
}

// compileDisk is compile for a recipe of a disk image.
func (f *recipeFlags) compileDisk(ctx context.Context, name, cache string) (*recipes.Recipe, *builder.Plan, error) {
	r, p, err := f.compile(ctx, name, cache)
	if err == nil && p.Container != nil {
		err = fmt.Errorf("%s describes a container image: run pkbuild container %s", name, name)
	}
	return r, p, err
}

// digests returns the digests of the programs that may go into the image of a recipe: the instrument's programs only if it installs
// them.
func digests(ctx context.Context, dir string, r *recipes.Recipe) (map[string]string, error) {
	out := map[string]string{}
	for _, program := range builder.Programs {
		if program != "pkinit" && program != "pkctl" && !installs(r, program) {
			continue
		}
		helper := filepath.Join(dir, layers.Helper(program, r.Architecture))
		digest, err := sha256sum.File(ctx, helper)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("helper program %s is missing: run make build, or name its directory with --helpers", helper)
		}
		if err != nil {
			return nil, err
		}
		out[program] = digest
	}
	return out, nil
}

// installs reports whether a recipe installs a program of this project.
func installs(r *recipes.Recipe, program string) bool {
	return slices.ContainsFunc(r.Layers, func(l recipes.Layer) bool {
		return slices.ContainsFunc(l.Files, func(f recipes.File) bool { return f.Program == program })
	})
}

// lockName returns the name whose lock file, see lock.FileName, pins the recipe for the architecture of the flags.
func (f *recipeFlags) lockName(recipe string) string {
	if f.arch == "" {
		return recipe
	}
	return recipe + "." + f.arch
}

// readLock reads the lock of a recipe. It is nil if there is none, and with --no-lock.
func (f *recipeFlags) readLock(recipe string) (*lock.Lock, error) {
	if f.noLock {
		return nil, nil
	}
	l, err := lock.Read(f.lockName(recipe))
	if err == nil && l == nil && f.locked {
		err = f.errNoLock(recipe)
	}
	return l, err
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
		Short: "Print the plan of a recipe as JSON",
		Long: "Print the plan of a recipe as JSON, and build nothing. The plan depends only on the recipe, its lock, the files that\n" +
			"it names and the version of pkbuild. Required pallets and downloads of pallets are fetched unless they are cached.",
		Example: "  pkbuild plan pi.yml\n  pkbuild plan --set user=ann pi.yml",
		Args:    cli.Exactly("RECIPE"),
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
