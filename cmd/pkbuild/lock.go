package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

// errNoLock returns the error for a recipe without a lock.
func (f *recipeFlags) errNoLock(recipe string) error {
	option := ""
	if f.arch != "" {
		option = "--arch " + f.arch + " "
	}
	return fmt.Errorf("lock file %s is missing: run pkbuild lock %s%s", lock.FileName(f.lockName(recipe)), option, recipe)
}

func lockCommand() *cobra.Command {
	var flags recipeFlags
	var cache string
	var diff, check, asJSON bool
	cmd := &cobra.Command{
		Use:   "lock RECIPE",
		Short: "Pin packages, pallets and container images in RECIPE.lock",
		Long: "Pin the newest packages of a recipe's repositories with their dependencies, its pallets and its container images,\n" +
			"by digest, in RECIPE.lock. `pkbuild image` then uses exactly these, whenever and wherever it runs. Prints the\n" +
			"changes since the lock was last made.",
		Example: "  pkbuild lock pi.yml\n  pkbuild lock --diff pi.yml\n  pkbuild lock --check pi.yml",
		Args:    cli.Exactly("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check {
				return checkLock(cmd, &flags, args[0], cache)
			}
			old, l, err := relock(cmd, &flags, args[0], cache, diff)
			if err != nil {
				return err
			}
			changes := old.Diff(l)
			if asJSON {
				return printJSON(cmd, append([]lock.Change{}, changes...))
			}
			if old == nil {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %d packages, %d tools, %d pallets, %d container images\n", lock.FileName(flags.lockName(args[0])),
					len(l.Packages()), len(l.Debian.Tools), len(l.Pallets), len(l.Images))
				return err
			}
			return printChanges(cmd.OutOrStdout(), changes)
		},
	}
	flags.addSet(cmd)
	flags.addArch(cmd)
	f := cmd.Flags()
	f.StringVar(&cache, "cache", "", cacheUsage)
	f.BoolVar(&diff, "diff", false, "print what would change, and keep the lock")
	f.BoolVar(&check, "check", false, "only check that the lock is up to date with the recipe, without a mirror")
	f.BoolVar(&asJSON, "json", false, "print the changes as JSON")
	cmd.MarkFlagsMutuallyExclusive("diff", "check")
	cmd.MarkFlagsMutuallyExclusive("json", "check")
	return cmd
}

// relock resolves a recipe and, unless only the difference is wanted, writes its lock. The old lock is nil if there is
// none.
func relock(cmd *cobra.Command, flags *recipeFlags, recipe, cache string, diff bool) (old, l *lock.Lock, err error) {
	name := flags.lockName(recipe)
	if _, err := lock.Destination(name); err != nil {
		return nil, nil, err
	}
	old, err = lock.Read(name)
	if err != nil && diff {
		return nil, nil, err // a broken lock is replaced
	}
	if old == nil && diff {
		return nil, nil, flags.errNoLock(recipe)
	}
	r, err := flags.load(recipe, cache)
	if err != nil {
		return nil, nil, err
	}
	o, err := gatherOptions(cache)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "resolving the packages of %s\n", recipe)
	sources, err := builder.Gather(cmd.Context(), r, o)
	if err != nil {
		return nil, nil, err
	}
	l, err = builder.Resolve(cmd.Context(), sources, builder.ResolveOptions{Cache: o.Cache, Mirror: builder.Mirror(cmd.Context())})
	if err != nil || diff {
		return old, l, err
	}
	return old, l, lock.Write(name, l)
}

// checkLock checks that a recipe's lock is up to date.
func checkLock(cmd *cobra.Command, flags *recipeFlags, recipe, cache string) error {
	r, err := flags.load(recipe, cache)
	if err != nil {
		return err
	}
	l, err := lock.Read(flags.lockName(recipe))
	if err != nil {
		return err
	}
	if l == nil {
		return flags.errNoLock(recipe)
	}
	o, err := gatherOptions(cache)
	if err != nil {
		return err
	}
	o.Lock, o.SkipBundles = l, true
	sources, err := builder.Gather(cmd.Context(), r, o)
	if err != nil {
		return err
	}
	return stale(recipe, checkRequest(sources, l))
}

// checkRequest compares a lock with what the recipe asks for now.
func checkRequest(s *builder.Sources, l *lock.Lock) error {
	request, err := s.Request()
	if err != nil {
		return err
	}
	return l.Check(request)
}

// stale adds to a lock.StaleError how to update the lock.
func stale(recipe string, err error) error {
	if m := (*lock.StaleError)(nil); errors.As(err, &m) {
		return fmt.Errorf("lock file %s is out of date; run pkbuild lock %s:\n  %s",
			lock.FileName(recipe), recipe, strings.Join(m.Changes, "\n  "))
	}
	return err
}

// printChanges prints a line for each change, and a summary.
func printChanges(w io.Writer, changes []lock.Change) error {
	p := &printer{w: w}
	count := map[string]int{}
	var delta int64
	for _, c := range changes {
		p.line("%s", c)
		count[c.Verb()]++
		delta += c.NewSize - c.OldSize
	}
	if len(changes) == 0 {
		p.line("no changes")
		return p.err
	}
	p.line("%d changed, %d added, %d removed, %s", count["changed"], count["added"], count["removed"], lock.Delta(delta))
	return p.err
}
