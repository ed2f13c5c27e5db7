package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// pruning is what prune does, or would do.
type pruning struct {
	Removed []int    `json:"removed"`
	Images  []string `json:"images"`
	Kept    []string `json:"kept"` // why images stay
	DryRun  bool     `json:"dry_run"`
}

func pruneCommand(d *device) *cobra.Command {
	var asJSON bool
	p := &pruning{}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete the stages that nothing refers to, and the container images that no stage needs any more",
		Long: "Delete the stages that nothing refers to. The running stage, the next one, those that were found good, those with\n" +
			"a name and the one of a queued reset stay: whatever could be started. Then remove the container images that a stage needed once and\n" +
			"none of those that stay does. Other images, and those that a container uses, stay.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			running, err := d.running()
			if err != nil {
				return err
			}
			reset, err := d.reset()
			if err != nil {
				return err
			}
			return d.change(cmd, func(s *store.Store) error {
				err := p.do(cmd, d, s, []int{running, reset.Stage})
				return errors.Join(p.say(cmd, asJSON), err)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&p.DryRun, "dry-run", "n", false, "only say what would be deleted")
	return cmd
}

func (p *pruning) do(cmd *cobra.Command, d *device, s *store.Store, except []int) error {
	all, err := s.Bundles()
	if err != nil {
		return err
	}
	drop, err := s.Prunable(except...)
	if err != nil {
		return err
	}
	keep := slices.DeleteFunc(all, func(n int) bool { return slices.Contains(drop, n) })
	needed, unread := images.OfAll(cmd.Context(), d.dir, keep)
	record, err := p.delete(cmd, d, s, drop, except)
	if err != nil || len(record.Unneeded(needed)) == 0 {
		return err
	}
	if unread != nil {
		p.Kept = append(p.Kept, fmt.Sprintf("images stay: %v", unread))
		return nil
	}
	err = p.images(cmd.Context(), d, record, needed)
	if errors.Is(err, docker.ErrNone) {
		p.Kept = append(p.Kept, fmt.Sprintf("images stay until the next prune: %v", err))
		return nil
	}
	return err
}

// delete deletes stages, once it is noted what they needed.
func (p *pruning) delete(cmd *cobra.Command, d *device, s *store.Store, drop, except []int) (images.Record, error) {
	if p.DryRun {
		p.Removed = drop
		names, _ := images.OfAll(cmd.Context(), d.dir, drop) // as note has it
		record, err := images.ReadRecord(d.dir)
		return record.WithNames(names), err
	}
	record, err := d.note(cmd, drop)
	if err != nil {
		return record, err
	}
	p.Removed, err = s.Prune(except...)
	return record, err
}

func (p *pruning) images(ctx context.Context, d *device, record images.Record, needed []string) error {
	client := docker.Client{}
	if _, err := client.Host(ctx); err != nil {
		return err
	}
	if p.DryRun {
		for _, k := range record.Unneeded(needed) {
			if _, err := client.Image(ctx, k.Name); err == nil {
				p.Images = append(p.Images, k.Name)
			}
		}
		return nil
	}
	done, err := images.Prune(ctx, client, record, needed)
	p.Images, p.Kept = done.Removed, append(p.Kept, done.Kept...)
	return errors.Join(err, done.Record.Write(d.dir))
}

func (p *pruning) say(cmd *cobra.Command, asJSON bool) error {
	if asJSON {
		// Empty lists are lists.
		p.Removed, p.Images, p.Kept = append([]int{}, p.Removed...), append([]string{}, p.Images...), append([]string{}, p.Kept...)
		return cli.JSON(cmd.OutOrStdout(), p)
	}
	verb := map[bool]string{false: "deleted", true: "would delete"}[p.DryRun]
	var errs []error
	for _, n := range p.Removed {
		errs = append(errs, say(cmd, "%s stage %d\n", verb, n))
	}
	for _, name := range p.Images {
		errs = append(errs, say(cmd, "%s image %s\n", verb, name))
	}
	for _, text := range p.Kept {
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), text)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
