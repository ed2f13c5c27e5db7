package pallets

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

// verdict is what a check says to other programs.
type verdict struct {
	Conflicts []string `json:"conflicts"`
	Missing   []string `json:"missing"`
	Warnings  []string `json:"warnings"`
	Notes     []string `json:"notes"`
}

func checkCommand(w *Workbench) *cobra.Command {
	var lint bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that the pallet can be deployed",
		Long: "Check that the pallet can be deployed: that its files are sound, that no two deployments want the same, that\n" +
			"every deployment finds what it requires, and that the sources of all exports are there. The exit code is 1 if\n" +
			"something is wrong, also with --json. Warnings and notes are no mistakes.",
		Example: "  pkctl pallet check --lint\n  pkctl pallet check -C pallets/standard",
		Args:    cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			warnings, err := w.warnings(p, lint)
			if err != nil {
				return err
			}
			if _, err := p.Apps(cmd.Context()); err != nil {
				return err
			}
			if w.json {
				return checkJSON(cmd, p, warnings)
			}
			for _, text := range append(slices.Clone(p.Notes), warnings...) {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", text)
			}
			if err := p.Check().Err(); err != nil {
				return fmt.Errorf("pallet %s:\n%w", p.Path, err)
			}
			return say(cmd, "pallet %s can be deployed: %d deployments\n", p.Path, len(p.Deployments))
		},
	}
	cmd.Flags().BoolVar(&lint, "lint", false, "warn of what is allowed and likely a mistake")
	return cmd
}

// warnings are those of the linter, if it is asked, but its errors always: sources of exports that are missing.
func (w *Workbench) warnings(p *pallet.Pallet, lint bool) ([]string, error) {
	warnings, err := p.Lint()
	if !lint {
		warnings = nil
	}
	return warnings, err
}

func checkJSON(cmd *cobra.Command, p *pallet.Pallet, warnings []string) error {
	r := p.Check()
	v := verdict{Conflicts: []string{}, Missing: []string{}, Warnings: append([]string{}, warnings...), Notes: append([]string{}, p.Notes...)}
	for _, c := range r.Conflicts {
		v.Conflicts = append(v.Conflicts, c.String())
	}
	for _, m := range r.Missing {
		v.Missing = append(v.Missing, m.String())
	}
	if err := cli.JSON(cmd.OutOrStdout(), v); err != nil {
		return err
	}
	if r.Err() != nil {
		return cli.ErrReported
	}
	return nil
}

func planCommand(w *Workbench) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show in which order the Compose apps start",
		Long:  "Show in which order the Compose apps start: each after those whose services it waits for, all others at once.",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := w.read(cmd)
			if err != nil {
				return err
			}
			if err := p.Check().Err(); err != nil {
				return err
			}
			order := p.Plan()
			if cycle := order.Cycle(); cycle != nil {
				return fmt.Errorf("deployments wait for each other in a circle: %s; make one of the requirements nonblocking",
					strings.Join(append(cycle, cycle[0]), " waits for "))
			}
			if w.json {
				return cli.JSON(cmd.OutOrStdout(), map[string]any{"after": order, "waves": order.Waves()})
			}
			for _, name := range slices.Sorted(maps.Keys(order)) {
				after := "nothing"
				if len(order[name]) > 0 {
					after = strings.Join(order[name], ", ")
				}
				if err := say(cmd, "%s after %s\n", name, after); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func bundleCommand(w *Workbench) *cobra.Command {
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
			return say(cmd, "%s: pallet %s, %d files\n", args[0], p.Path, len(b.Files)+1)
		},
	}
}

func initCommand(w *Workbench) *cobra.Command {
	var from, as string
	cmd := &cobra.Command{
		Use:   "init --as PATH [--from PATH@QUERY]",
		Short: "Make a new pallet, perhaps one that is based on another",
		Example: "  pkctl pallet init -C mine --as github.com/me/mine\n" +
			"  pkctl pallet init -C mine --as github.com/me/mine --from github.com/PlanktoScope/pallet-standard@v2024.0.0",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if as == "" {
				return fmt.Errorf("%w: --as is missing: the pallet's name, such as github.com/me/mine", cli.ErrUsage)
			}
			required, version, err := w.base(cmd, from)
			if err != nil {
				return err
			}
			if err := pallet.Init(w.Dir, as, required, version); err != nil {
				return err
			}
			if required != nil {
				if err := w.writeSums(cmd); err != nil {
					return err
				}
			}
			return say(cmd, "made the pallet %s in %s\n", as, w.Dir)
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "`path` that is the pallet's name")
	cmd.Flags().StringVar(&from, "from", "", "pallet to base it on: `path@query`, of which the query is a branch, a tag or a commit")
	return cmd
}

// base finds the pallet that another one is based on, and the version of its format; nil if there is none.
func (w *Workbench) base(cmd *cobra.Command, from string) (required *pallet.Requirement, version string, err error) {
	if from == "" {
		return nil, "", nil
	}
	s, err := w.Source()
	if err != nil {
		return nil, "", err
	}
	r, err := s.Find(cmd.Context(), from)
	if err != nil {
		return nil, "", err
	}
	dir, err := s.Resolve(cmd.Context(), r)
	if err != nil {
		return nil, "", err
	}
	p, err := w.Read(cmd, dir)
	if err != nil {
		return nil, "", fmt.Errorf("the pallet %s: %w", from, err)
	}
	return &r, p.ForkliftVersion(), nil
}

func sumCommand(w *Workbench) *cobra.Command {
	return &cobra.Command{
		Use:   "sum",
		Short: "Write the hashes of what is required beside its locks",
		Long: "Write the hashes of what the pallet requires beside its locks, to forklift-version-lock.sum. Where there is such a\n" +
			"file, nothing else is accepted from then on, whatever Git and the network say.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return w.writeSums(cmd) },
	}
}

func (w *Workbench) writeSums(cmd *cobra.Command) error {
	r, err := w.reader()
	if err != nil {
		return err
	}
	sums, err := r.Sums(cmd.Context(), w.Dir)
	return errors.Join(err, w.edit().WriteSums(sums))
}
