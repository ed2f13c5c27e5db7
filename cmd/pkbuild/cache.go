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
	cmd := cli.Group("cache", "List and prune the cache", cacheListCommand(&dir), cachePruneCommand(&dir))
	cmd.PersistentFlags().StringVar(&dir, "cache", "", cacheUsage)
	return cmd
}

func cacheListCommand(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "ls",
		Short:   "List the entries of the cache, the least recently used first",
		Example: "  pkbuild cache ls --json",
		Args:    cli.Exactly(),
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print all entries as JSON")
	return cmd
}

func cachePruneCommand(dir *string) *cobra.Command {
	var asJSON, dry bool
	var keep string
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove leftovers and, with --keep-bytes, the least recently used entries",
		Long: "Remove leftovers of killed builds. With --keep-bytes also remove the least recently used entries until the cache\n" +
			"is no larger than that. Entries that a running build uses are kept.",
		Example: "  pkbuild cache prune --dry-run --keep-bytes 10GiB",
		Args:    cli.Exactly(),
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
	cmd.Flags().StringVar(&keep, "keep-bytes", "", "maximum `size` of the cache, such as 10GiB")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print what would be removed, and remove nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

const cacheUsage = "`directory` of the cache (default: $PKBUILD_CACHE, else pkbuild in the user's cache)"

// cacheDir returns the directory of the cache: that of the flag, else the default.
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

// printCache prints a line for each layer and leftover, and one for all entries of each other kind.
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
		p.line("kept %d entries that a running build may use; prune again after it", n)
	}
	return p.err
}

func ago(t time.Time) string { return humanize.RelTime(t, time.Now(), "ago", "from now") }
