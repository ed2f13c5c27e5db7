package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/pallets"
	"github.com/PlanktoScope/pkbuild/stages/pallet"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// palletCommand has what works on a directory, and what a device does with pallets besides.
func palletCommand() *cobra.Command {
	d := &device{}
	cmd, w := pallets.Command()
	for _, c := range []*cobra.Command{stagePalletCommand(d, w), switchCommand(d, w), upgradeCommand(d, w)} {
		d.addStore(c)
		d.addFetch(c)
		cmd.AddCommand(c)
	}
	return cmd
}

func stagePalletCommand(d *device, w *pallets.Workbench) *cobra.Command {
	return &cobra.Command{
		Use:   "stage",
		Short: "Stage the pallet of the directory, to start with at the next boot",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := source.Describe(w.Dir)
			if err != nil {
				return err
			}
			return d.stage(cmd, w, w.Dir, state, func(string) error { return nil })
		},
	}
}

func switchCommand(d *device, w *pallets.Workbench) *cobra.Command {
	return &cobra.Command{
		Use:   "switch PATH@QUERY",
		Short: "Stage a pallet from Git, to start with at the next boot",
		Long: "Stage a pallet from Git, to start with at the next boot. The query is a branch, a tag or the beginning of a\n" +
			"commit; upgrades follow it from then on.",
		Example: "  pkctl pallet switch github.com/PlanktoScope/pallet-standard@v2024.0.0",
		Args:    cli.Exactly("PATH@QUERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			followed, err := parseUpgrades(args[0])
			if err != nil {
				return err
			}
			found, err := find(cmd, w, followed)
			if err != nil {
				return err
			}
			return d.follow(cmd, w, followed, found)
		},
	}
}

// find is what a pallet's query means now.
func find(cmd *cobra.Command, w *pallets.Workbench, u upgrades) (pallet.Requirement, error) {
	s, err := w.Source()
	if err != nil {
		return pallet.Requirement{}, err
	}
	return s.Find(cmd.Context(), u.Path+"@"+u.Query)
}

// follow stages what was found, and remembers what upgrades follow.
func (d *device) follow(cmd *cobra.Command, w *pallets.Workbench, u upgrades, found pallet.Requirement) error {
	s, err := w.Source()
	if err != nil {
		return err
	}
	dir, err := s.Resolve(cmd.Context(), found)
	if err != nil {
		return err
	}
	state := source.State{Version: found.Lock.Version(), Commit: found.Lock.Commit, Clean: true}
	return d.stage(cmd, w, dir, state, u.write)
}

// stage adds the bundle of a pallet to the store, has its images fetched, makes it the next one, and remembers what there
// is to remember in the store's directory. While images are fetched the store is not locked.
func (d *device) stage(cmd *cobra.Command, w *pallets.Workbench, dir string, state source.State,
	remember func(dir string) error) error {
	p, err := w.Read(cmd, dir)
	if err != nil {
		return err
	}
	b, err := w.Bundle(cmd, p, state)
	if err != nil {
		return err
	}
	var n int
	err = d.change(cmd, func(s *store.Store) (err error) {
		n, err = s.Add(cmd.Context(), b.Manifest, func(to *store.Writer) error { return fill(to, b.Files) })
		return err
	})
	if err != nil {
		return err
	}
	if err := d.fetchImages(cmd, n); err != nil {
		return fmt.Errorf("stage %d is staged, but not next: %w", n, err)
	}
	return d.change(cmd, func(s *store.Store) error {
		if err := errors.Join(s.SetNext(n), remember(d.dir)); err != nil {
			return err
		}
		return say(cmd, "stage %d is next: pallet %s %s; reboot to start with it\n", n, p.Path, state.Version)
	})
}

// fill writes the files of a bundle.
func fill(to *store.Writer, files []pallet.File) error {
	for _, f := range files {
		if err := fillFile(to, f); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

func fillFile(to *store.Writer, f pallet.File) error {
	switch f.Mode.Type() {
	case fs.ModeDir:
		return to.Dir(f.Path, f.Mode)
	case fs.ModeSymlink:
		return to.Symlink(f.Path, f.Target)
	}
	content, err := f.Open()
	if err != nil {
		return err
	}
	return errors.Join(to.File(f.Path, f.Mode, content), content.Close())
}
