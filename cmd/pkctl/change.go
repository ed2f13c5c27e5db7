package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

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

func resultCommand(d *device) *cobra.Command {
	verdicts := []stages.Result{stages.Good, stages.Failed, stages.Pending}
	var of string
	cmd := &cobra.Command{
		Use:   "result good|failed|pending",
		Short: "Record a verdict on a stage",
		Long: "Record a verdict on a stage, by default on the one that is running. The device does so by itself after every\n" +
			"boot; this is for one whose stages are judged by other means.",
		Args:      cli.Exactly("VERDICT"),
		ValidArgs: []string{string(stages.Good), string(stages.Failed), string(stages.Pending)},
		RunE: func(cmd *cobra.Command, args []string) error {
			verdict := stages.Result(args[0])
			if !slices.Contains(verdicts, verdict) {
				return fmt.Errorf("%w: %q is no verdict: good, failed or pending", cli.ErrUsage, args[0])
			}
			return d.change(cmd, func(s *store.Store) error {
				n, err := d.judged(s, of)
				if err != nil {
					return err
				}
				return s.Judge(n, verdict, time.Now())
			})
		},
	}
	cmd.Flags().StringVar(&of, "stage", "", "`stage` to judge (default: the running one)")
	return cmd
}

// judged is the stage that a verdict is on.
func (d *device) judged(s *store.Store, name string) (int, error) {
	if name != "" {
		return s.Staged().Resolve(name)
	}
	n, err := d.running()
	if err == nil && n == 0 {
		err = fmt.Errorf("no stage is running: name one with --stage")
	}
	return n, err
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
			return d.change(cmd, func(s *store.Store) error { return s.Unname(args[0]) })
		},
	}
}

func rmCommand(d *device) *cobra.Command {
	return &cobra.Command{
		Use:               "rm STAGE",
		Short:             "Delete a stage; pkctl stage prune removes its container images then",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: d.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := d.running()
			if err != nil {
				return err
			}
			return d.change(cmd, func(s *store.Store) error {
				n, err := s.Staged().Resolve(args[0])
				if err != nil {
					return err
				}
				if n == running {
					return fmt.Errorf("stage %d is running: start with another one first", n)
				}
				if _, err := d.note(cmd, []int{n}); err != nil {
					return err
				}
				return s.Delete(n)
			})
		},
	}
}

func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	return err
}
