package pallets

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

// checked is the result of a check.
type checked struct {
	Conflicts []string `json:"conflicts"`
	Missing   []string `json:"missing"`
	Mistakes  []string `json:"mistakes"`
	Warnings  []string `json:"warnings"`
	Notes     []string `json:"notes"`
}

func checkCommand(w *Flags) *cobra.Command {
	var lint bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that the pallet can be deployed",
		Long: "Check that a device can apply the pallet: that its files are sound, that no two deployments want the same, that\n" +
			"every deployment finds what it requires, that the sources of all exports exist, and that Docker can start every\n" +
			"Compose app. The exit code is 1 if there is a mistake, also with --json; warnings and notes do not change it.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			v := p.Validate(cmd.Context())
			warnings := v.Warnings
			if lint {
				more, err := p.Lint(cmd.Context())
				if err != nil && v.Err() == nil {
					return err
				}
				warnings = append(warnings, more...)
			}
			err = cli.Print(cmd, resultOf(p, v, warnings), func(out io.Writer) error {
				for _, text := range append(slices.Clone(p.Notes), warnings...) {
					fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", text)
				}
				if err := v.Err(); err != nil {
					return fmt.Errorf("pallet %s:\n%w", p.Path, err)
				}
				_, err := fmt.Fprintf(out, "pallet %s can be deployed: %d deployments\n", p.Path, len(p.Deployments))
				return err
			})
			if err == nil && v.Err() != nil {
				return cli.ErrReported // with --json
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&lint, "lint", false, "warn of what is allowed but probably a mistake")
	return cmd
}

func resultOf(p *pallet.Pallet, v *pallet.Validation, warnings []string) checked {
	c := checked{
		Conflicts: []string{}, Missing: []string{}, Mistakes: []string{},
		Warnings: append([]string{}, warnings...), Notes: append([]string{}, p.Notes...),
	}
	for _, conflict := range v.Report.Conflicts {
		c.Conflicts = append(c.Conflicts, conflict.String())
	}
	for _, missing := range v.Report.Missing {
		c.Missing = append(c.Missing, missing.String())
	}
	for _, err := range v.OtherMistakes() {
		c.Mistakes = append(c.Mistakes, err.Error())
	}
	return c
}

func planCommand(w *Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show in which order the Compose apps start",
		Long:  "Show in which order the Compose apps start: each after those whose services it requires, all others at once.",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			v := p.Validate(cmd.Context())
			if err := v.BlockingErr(); err != nil {
				return err
			}
			order := v.Order
			return cli.Print(cmd, map[string]any{"after": dependencies(order), "waves": append([][]string{}, order.Waves()...)}, func(out io.Writer) error {
				return printOrder(out, order)
			})
		},
	}
}

// dependencies returns an order without null lists.
func dependencies(order map[string][]string) map[string][]string {
	out := map[string][]string{}
	for name, after := range order {
		out[name] = append([]string{}, after...)
	}
	return out
}

func printOrder(out io.Writer, order map[string][]string) error {
	for _, name := range slices.Sorted(maps.Keys(order)) {
		after := "nothing"
		if len(order[name]) > 0 {
			after = strings.Join(order[name], ", ")
		}
		if _, err := fmt.Fprintf(out, "%s after %s\n", name, after); err != nil {
			return err
		}
	}
	return nil
}

func bundleCommand(w *Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "bundle DIRECTORY",
		Short: "Write the bundle of the pallet, as a device stages it",
		Long: "Write the bundle of the pallet to a directory that does not exist yet: what a device would stage, with all\n" +
			"that its exports download. The same pallet gives the same bundle.",
		Args: cli.Exactly("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			state, err := source.Describe(w.Dir)
			if err != nil {
				return err
			}
			b, err := w.Bundle(cmd, p, state)
			if err != nil {
				return err
			}
			if err := b.Write(cmd.Context(), args[0]); err != nil {
				return err
			}
			result := map[string]any{
				"directory": args[0], "pallet": p.Path, "version": state.Version, "clean": state.Clean, "files": len(b.Files) + 1,
			}
			return cli.Printf(cmd, result, "%s: pallet %s%s, %d files\n", args[0], p.Path, DescribeVersion(state), len(b.Files)+1)
		},
	}
}

// DescribeVersion returns the version of a pallet's directory for messages, with a space before it, and with (changed)
// after it if files differ from the commit. Without a version it returns " (not committed)".
func DescribeVersion(s source.State) string {
	switch {
	case s.Version == "":
		return " (not committed)"
	case !s.Clean:
		return " " + s.Version + " (changed)"
	}
	return " " + s.Version
}

func initCommand(w *Flags) *cobra.Command {
	var from, as string
	cmd := &cobra.Command{
		Use:   "init --as PATH [--from PATH@QUERY]",
		Short: "Create a pallet, optionally based on another one",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if as == "" {
				return fmt.Errorf("%w: --as is missing: the pallet's name, such as github.com/me/mine", cli.ErrUsage)
			}
			required, base, err := w.base(cmd, from)
			if err != nil {
				return err
			}
			if err := pallet.Init(w.Dir, as, required, base); err != nil {
				return err
			}
			if required != nil {
				if _, err := w.writeSums(cmd); err != nil {
					return err
				}
			}
			return cli.Printf(cmd, map[string]string{"pallet": as, "directory": w.Dir}, "created pallet %s in %s\n", as, w.Dir)
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "`path` that names the pallet")
	cmd.Flags().StringVar(&from, "from", "", "`path@query` of the pallet to base it on, by branch, tag or commit")
	return cmd
}

// base finds and reads the pallet that a new one is based on; both results are nil if from is empty.
func (w *Flags) base(cmd *cobra.Command, from string) (required *pallet.Requirement, base *pallet.Pallet, err error) {
	if from == "" {
		return nil, nil, nil
	}
	s, err := w.Source()
	if err != nil {
		return nil, nil, err
	}
	r, err := s.Find(cmd.Context(), from)
	if err != nil {
		return nil, nil, err
	}
	dir, err := s.Resolve(cmd.Context(), r)
	if err != nil {
		return nil, nil, err
	}
	p, err := w.Read(cmd, dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read pallet %s: %w", from, err)
	}
	return &r, p, nil
}

func sumCommand(w *Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "sum",
		Short: "Write the hashes of what is required beside its locks",
		Long: "Write the hashes of what the pallet requires beside its locks, to forklift-version-lock.sum. From then on nothing\n" +
			"else is accepted for that version.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sums, err := w.writeSums(cmd)
			if err != nil {
				return err
			}
			return cli.Silent(cmd, map[string]any{"files": sums})
		},
	}
}

// writeSums writes the sums of all that is required, and returns the names of their files.
func (w *Flags) writeSums(cmd *cobra.Command) (names []string, err error) {
	r, err := w.reader()
	if err != nil {
		return nil, err
	}
	sums, err := r.Sums(cmd.Context(), w.Dir)
	if err := errors.Join(err, w.edit().WriteSums(sums)); err != nil {
		return nil, err
	}
	return append([]string{}, slices.Sorted(maps.Keys(sums))...), nil
}
