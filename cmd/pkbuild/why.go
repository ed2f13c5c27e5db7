package main

import (
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/builder"
	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

func whyCommand() *cobra.Command {
	var flags recipeFlags
	var cache cacheFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "why RECIPE",
		Short: "Print why layers have to be rebuilt",
		Long: "Print for each layer of an image whether it is cached and, if not, which of its inputs changed since the last build\n" +
			"with this cache. Nothing is built.",
		Example: "  pkbuild why pi.yml",
		Args:    cli.Exactly("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, p, err := flags.compile(cmd.Context(), args[0], cache.own)
			if err != nil {
				return err
			}
			caches, err := cache.caches()
			if err != nil {
				return err
			}
			all, err := builder.Why(p, r.Dir, caches)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, all)
			}
			return printReasons(cmd.OutOrStdout(), all)
		},
	}
	flags.add(cmd)
	cache.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

// printReasons prints a line for each layer, and one for each further reason.
func printReasons(w io.Writer, all []builder.Reasons) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	p := &printer{w: t}
	for _, r := range all {
		words := append([]string{}, r.Reasons...)
		if r.Note != "" {
			words = append(words, r.Note)
		}
		state := "to build"
		if r.Cached {
			state = "cached"
			if r.Made != nil {
				state = "built " + humanize.RelTime(*r.Made, time.Now(), "ago", "from now")
			}
		}
		p.line("%s\t%s\t%s", r.Layer, state, strings.Join(words, "\n\t\t"))
	}
	if p.err != nil {
		return p.err
	}
	return t.Flush()
}
