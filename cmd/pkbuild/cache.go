package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/recipes"
)

func cacheCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "List what the cache holds, and make room in it",
		Args:  cli.Exactly(),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&dir, "cache", "", cacheUsage)
	cmd.AddCommand(cacheListCommand(&dir), cachePruneCommand(&dir))
	return cmd
}

func cacheListCommand(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List layers, packages and the rest, the least recently used first",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := openCache(*dir)
			if err != nil {
				return err
			}
			entries, err := c.List()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, append([]builder.CacheEntry{}, entries...))
			}
			return printCache(cmd.OutOrStdout(), c, entries)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON, with each package")
	return cmd
}

func cachePruneCommand(dir *string) *cobra.Command {
	var asJSON, dry bool
	var keep string
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove what killed builds left and, with --keep-bytes, what was not used for longest",
		Long: "Remove what builds that were killed left behind. With --keep-bytes also remove layers, packages and the rest,\n" +
			"the least recently used first, until the cache is no larger. What a running build uses stays.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			limit := int64(-1)
			var err error
			if keep != "" {
				if limit, err = recipes.ParseSize(keep); err != nil {
					return fmt.Errorf("%w: --keep-bytes: %w", cli.ErrUsage, err)
				}
			}
			c, err := openCache(*dir)
			if err != nil {
				return err
			}
			p, err := c.Prune(cmd.Context(), limit, dry)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, p)
			}
			return printPruned(cmd.OutOrStdout(), p, dry)
		},
	}
	cmd.Flags().StringVar(&keep, "keep-bytes", "", "the largest `size` that the cache may keep: a number of bytes, or such as 10GiB")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would go, and remove nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

const cacheUsage = "`directory` of the cache (default: $PKBUILD_CACHE, else pkbuild in the user's cache)"

// cacheDir is the directory of the cache: the one that a flag names, else the default one.
func cacheDir(flag string) (string, error) {
	if flag != "" {
		return filepath.Abs(flag)
	}
	if dir := os.Getenv("PKBUILD_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "pkbuild"), err
}

func openCache(flag string) (builder.Cache, error) {
	dir, err := cacheDir(flag)
	return builder.Cache{Dir: dir}, err
}

// printCache prints a line for each layer and leftover, and one for all others of a kind together.
func printCache(w io.Writer, c builder.Cache, entries []builder.CacheEntry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	p := &printer{w: t}
	count, size, kinds := map[string]int{}, map[string]int64{}, []string{}
	var total int64
	for _, e := range entries {
		total += e.Size
		if e.Kind == "layer" || e.Kind == "leftover" {
			p.line("%s\t%.20s\t%s\tmade %s\tused %s\t%.19s", e.Kind, e.Name, humanize.IBytes(uint64(e.Size)), ago(e.Made), ago(e.Used), e.File)
			continue
		}
		if count[e.Kind]++; count[e.Kind] == 1 {
			kinds = append(kinds, e.Kind)
		}
		size[e.Kind] += e.Size
	}
	for _, kind := range kinds {
		p.line("%s\t%d\t%s\t\t\t", kind, count[kind], humanize.IBytes(uint64(size[kind])))
	}
	if p.err != nil {
		return p.err
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s in %s\n", humanize.IBytes(uint64(total)), c.Dir)
	return err
}

func printPruned(w io.Writer, pruned *builder.Pruned, dry bool) error {
	p := &printer{w: w}
	verb := "removed"
	if dry {
		verb = "would remove"
	}
	for _, e := range pruned.Removed {
		if e.Kind == "layer" || e.Kind == "leftover" {
			p.line("%s %s %.20s, %s, used %s", verb, e.Kind, e.Name, humanize.IBytes(uint64(e.Size)), ago(e.Used))
		}
	}
	p.line("%s %d entries, %s; %s left", verb, len(pruned.Removed), humanize.IBytes(uint64(pruned.Freed)), humanize.IBytes(uint64(pruned.Left)))
	if n := len(pruned.InUse); n > 0 {
		p.line("left %d entries that a running build may use: try again when it is over", n)
	}
	return p.err
}

func ago(t time.Time) string { return humanize.RelTime(t, time.Now(), "ago", "from now") }
