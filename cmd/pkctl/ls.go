package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// info is what there is to say of a stage.
type info struct {
	Stage    int            `json:"stage"`
	Roles    []string       `json:"roles"` // running, next, current, rollback
	Names    []string       `json:"names"`
	State    string         `json:"state"` // see state
	Attempts int            `json:"attempts"`
	Problem  string         `json:"problem,omitempty"` // why it is not complete
	Manifest store.Manifest `json:"manifest"`
}

func lsCommand(d *device) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the stages, and what each is for the device",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := d.list(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), all)
			}
			return table(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func showCommand(d *device) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show STAGE",
		Short:             "Show a stage, by its number, its name or its role",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: d.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := d.list(cmd)
			if err != nil {
				return err
			}
			n, err := d.load(cmd).Staged.Resolve(args[0])
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(s info) bool { return s.Stage == n })
			if i < 0 {
				return fmt.Errorf("there is no stage %d", n)
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), all[i])
			}
			return page(cmd.OutOrStdout(), all[i])
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// list describes all stages, in ascending order.
func (d *device) list(cmd *cobra.Command) ([]info, error) {
	numbers, err := d.bundles()
	if err != nil {
		return nil, explain(err)
	}
	running, err := d.running()
	if err != nil {
		return nil, err
	}
	snapshot := d.load(cmd)
	out := []info{}
	for _, n := range numbers {
		out = append(out, d.describe(n, snapshot, running))
	}
	return out, nil
}

func (d *device) describe(n int, s stages.Snapshot, running int) info {
	i := info{Stage: n, Roles: []string{}, Names: []string{}, Attempts: s.State.Stages[n].Attempts}
	for _, role := range []struct {
		name  string
		stage int
	}{{"running", running}, {"next", s.Staged.Next}, {"current", s.Staged.Current()}, {"rollback", s.Staged.Rollback()}} {
		if role.stage == n {
			i.Roles = append(i.Roles, role.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Staged.Names)) {
		if s.Staged.Names[name] == n {
			i.Names = append(i.Names, name)
		}
	}
	if err := stages.CheckBundle(os.DirFS(d.dir), n); err != nil {
		i.Problem = err.Error()
	}
	i.Manifest, _ = d.manifest(n) // what is wrong with it is in Problem
	i.State = state(n, s, i.Problem)
	return i
}

// state is incomplete, failed, good (found good, and in the history since), pending (it was or will be tried) or unused.
func state(n int, s stages.Snapshot, problem string) string {
	switch {
	case problem != "":
		return "incomplete"
	case n == s.Staged.Next && s.Staged.NextFailed, s.State.Stages[n].Result == stages.Failed:
		return "failed"
	case slices.Contains(s.Staged.History, n):
		return "good"
	case n == s.Staged.Next:
		return "pending"
	}
	return "unused"
}

func table(w io.Writer, all []info) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STAGE\tSTATE\tROLE\tNAME\tPALLET\tVERSION")
	for _, i := range all {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", i.Stage, i.State, dash(i.Roles), dash(i.Names),
			dash([]string{i.Manifest.Pallet.Path}), dash([]string{i.Manifest.Pallet.Version}))
	}
	return t.Flush()
}

func page(w io.Writer, i info) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "stage\t%d\n", i.Stage)
	fmt.Fprintf(t, "state\t%s\n", i.State)
	if i.Problem != "" {
		fmt.Fprintf(t, "problem\t%s\n", i.Problem)
	}
	fmt.Fprintf(t, "role\t%s\n", dash(i.Roles))
	fmt.Fprintf(t, "name\t%s\n", dash(i.Names))
	fmt.Fprintf(t, "attempts\t%d of %d\n", i.Attempts, stages.MaxAttempts)
	fmt.Fprintf(t, "pallet\t%s\n", dash([]string{i.Manifest.Pallet.Path}))
	fmt.Fprintf(t, "version\t%s\n", dash([]string{i.Manifest.Pallet.Version}))
	fmt.Fprintf(t, "description\t%s\n", dash([]string{i.Manifest.Pallet.Description}))
	return t.Flush()
}

// dash stands for nothing in a table.
func dash(words []string) string {
	if text := strings.Join(words, ","); text != "" {
		return text
	}
	return "-"
}
