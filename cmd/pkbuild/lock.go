package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

// errNoLock is a recipe without a lock where one is needed.
func errNoLock(recipe string) error {
	return fmt.Errorf("%s is missing: run pkbuild lock %s", builder.LockName(recipe), recipe)
}

func lockCommand() *cobra.Command {
	var flags recipeFlags
	var cache string
	var diff, check, asJSON bool
	cmd := &cobra.Command{
		Use:   "lock RECIPE",
		Short: "Pin everything that an image is made of, in RECIPE.lock",
		Long: "Pin everything that an image is made of, in RECIPE.lock: the newest packages of the recipe's repositories,\n" +
			"by digest, with all that they depend on. `pkbuild image` then takes those and no others, whenever and wherever\n" +
			"it runs. Prints what changed since the lock was last made.",
		Args: cli.Exactly("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check {
				return checkLock(cmd, &flags, args[0], cache)
			}
			old, lock, err := relock(cmd, &flags, args[0], cache, diff)
			if err != nil {
				return err
			}
			changes := old.Diff(lock)
			if asJSON {
				return printJSON(cmd, append([]builder.Change{}, changes...))
			}
			if old == nil {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %d packages, %d tools, %d pallets, %d container images\n", builder.LockName(args[0]),
					len(lock.Packages()), len(lock.Debian.Tools), len(lock.Pallets), len(lock.Images))
				return err
			}
			return printChanges(cmd.OutOrStdout(), changes)
		},
	}
	flags.addSet(cmd)
	f := cmd.Flags()
	f.StringVar(&cache, "cache", "", cacheUsage)
	f.BoolVar(&diff, "diff", false, "say what would change, and leave the lock as it is")
	f.BoolVar(&check, "check", false, "exit with 1 unless the lock fits the recipe; asks no mirror")
	f.BoolVar(&asJSON, "json", false, "print the changes as JSON")
	cmd.MarkFlagsMutuallyExclusive("diff", "check")
	cmd.MarkFlagsMutuallyExclusive("json", "check")
	return cmd
}

// relock resolves a recipe anew and, unless only the difference is asked for, writes its lock. The old lock is nil where
// there is none.
func relock(cmd *cobra.Command, flags *recipeFlags, recipe, cache string, diff bool) (old, lock *builder.Lock, err error) {
	old, err = builder.ReadLock(recipe)
	if err != nil && diff {
		return nil, nil, err // what is written anew may have been broken
	}
	if old == nil && diff {
		return nil, nil, errNoLock(recipe)
	}
	r, err := flags.load(recipe)
	if err != nil {
		return nil, nil, err
	}
	o := builder.Options{Mirror: builder.Mirror(cmd.Context())}
	if o.Cache, err = cacheDir(cache); err != nil {
		return nil, nil, err
	}
	if o.Mirrors, err = machineMirrors(); err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "resolving the packages of %s\n", recipe)
	lock, err = builder.Resolve(cmd.Context(), r, o)
	if err != nil || diff {
		return old, lock, err
	}
	return old, lock, builder.WriteLock(recipe, lock)
}

// checkLock tells whether a recipe's lock fits it.
func checkLock(cmd *cobra.Command, flags *recipeFlags, recipe, cache string) error {
	r, err := flags.load(recipe)
	if err != nil {
		return err
	}
	lock, err := builder.ReadLock(recipe)
	if err != nil {
		return err
	}
	if lock == nil {
		return errNoLock(recipe)
	}
	in, err := pinnedInputs(cache)
	if err != nil {
		return err
	}
	return misfit(recipe, lock.Check(cmd.Context(), r, in))
}

// misfit says what to do about a lock that does not fit its recipe.
func misfit(recipe string, err error) error {
	if m := (*builder.MisfitError)(nil); errors.As(err, &m) {
		return fmt.Errorf("%s was made for another state of the recipe; run pkbuild lock %s:\n  %s",
			builder.LockName(recipe), recipe, strings.Join(m.Changes, "\n  "))
	}
	return err
}

// printChanges prints a line for each change and one for all.
func printChanges(w io.Writer, changes []builder.Change) error {
	p := &printer{w: w}
	count := map[string]int{}
	var delta int64
	for _, c := range changes {
		p.line("%s", c)
		count[c.Verb()]++
		delta += c.NewSize - c.OldSize
	}
	if len(changes) == 0 {
		p.line("nothing changed")
		return p.err
	}
	p.line("%d changed, %d added, %d removed, %s", count["changed"], count["added"], count["removed"], builder.Delta(delta))
	return p.err
}
