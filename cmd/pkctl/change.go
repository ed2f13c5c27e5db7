package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

func setNextCommand(d *device) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set-next STAGE|none",
		Short: "Choose the stage to start with at the next boot",
		Long: "Choose the stage to start with at the next boot, by its number, its name or its role. It gets all its attempts,\n" +
			"whatever became of earlier ones. Container images that it needs are fetched first, so that it starts without a\n" +
			"network. With none the device starts with the last stage that was found good.",
		Example:           "  pkctl stage set-next factory-reset\n  pkctl stage set-next 7",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: d.completeStages,
		RunE:              func(cmd *cobra.Command, args []string) error { return d.fetchAndSetNext(cmd, args[0]) },
	}
	d.addFetch(cmd)
	return cmd
}

// fetchAndSetNext has the images of a stage fetched and makes it the next one.
func (d *device) fetchAndSetNext(cmd *cobra.Command, name string) error {
	n, err := d.load(cmd).Staged.Resolve(name)
	if name == "none" || err != nil || stages.CheckBundle(os.DirFS(d.dir), n) != nil {
		return d.change(cmd, func(s *store.Store) error { return setNext(cmd, s, name) }) // which says what is wrong
	}
	if err := d.fetchImages(cmd, n); err != nil {
		return fmt.Errorf("stage %d is not next: %w", n, err)
	}
	return d.change(cmd, func(s *store.Store) error { return setNext(cmd, s, strconv.Itoa(n)) })
}

func rollbackCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:   "rollback",
		Short: "Choose the stage that was found good before the current one",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.change(cmd, func(s *store.Store) error { return setNext(cmd, s, stages.RollbackName) })
		},
	}
}

func setNext(cmd *cobra.Command, s *store.Store, name string) error {
	if name == "none" {
		if err := s.SetNext(0); err != nil {
			return err
		}
		return say(cmd, "no stage is next: the last good one is started\n")
	}
	n, err := s.Staged().Resolve(name)
	if err != nil {
		return err
	}
	if err := s.SetNext(n); err != nil {
		return err
	}
	return say(cmd, "stage %d is next: reboot to start with it\n", n)
}

func nameCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:   "name NAME STAGE",
		Short: "Give a stage a name, which keeps it from being pruned",
		Args:  cli.Exactly("NAME", "STAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.change(cmd, func(s *store.Store) error {
				n, err := s.Staged().Resolve(args[1])
				if err != nil {
					return err
				}
				return s.Name(args[0], n)
			})
		},
	}
}

func unnameCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:   "unname NAME",
		Short: "Take a name away",
		Args:  cli.Exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.change(cmd, func(s *store.Store) error { return s.RemoveName(args[0]) })
		},
	}
}

func rmCommand(d *device) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm STAGE",
		Short: "Delete a stage; pkctl stage prune removes its container images then",
		Long: "Delete a stage; pkctl stage prune removes its container images then. What runs, what the next boot starts with,\n" +
			"what it falls back to, and what a queued reset goes back to, stays in any case.",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: d.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.change(cmd, func(s *store.Store) error {
				n, err := s.Staged().Resolve(args[0])
				if err != nil {
					return err
				}
				if err := d.removable(cmd, n, force); err != nil {
					return err
				}
				if _, err := d.note(cmd, []int{n}); err != nil {
					return err
				}
				return s.Delete(n)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete also the stage that the device came with")
	return cmd
}

// removable says why a stage must stay: it runs, a boot may start it, or the device came with it.
func (d *device) removable(cmd *cobra.Command, stage int, force bool) error {
	running, err := d.running()
	if err != nil {
		return err
	}
	reset, err := d.reset()
	if err != nil {
		return err
	}
	snapshot := d.load(cmd)
	switch stage {
	case running:
		return fmt.Errorf("stage %d is running: start with another one first", stage)
	case reset.Stage:
		return fmt.Errorf("stage %d is what the device is reset to: take that back with pkctl reset --cancel", stage)
	case stages.Select(snapshot).Stage:
		return fmt.Errorf("stage %d is what the next boot starts with: choose another one with pkctl stage set-next first", stage)
	case stages.Fallback(snapshot, "").Stage:
		return fmt.Errorf("stage %d is what the device falls back to: it can go when another one was found good", stage)
	}
	if stage == snapshot.Staged.Names[factory] && !force {
		return fmt.Errorf("stage %d is %s, which the device came with and pkctl reset goes back to: --force deletes it", stage, factory)
	}
	return nil
}

func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	return err
}
