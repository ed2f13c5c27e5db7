package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/pallets"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/pallet/source"
)

// palletCommand returns the commands for a pallet's directory, and those with which a device stages pallets.
func palletCommand() *cobra.Command {
	f := &flags{}
	cmd, p := pallets.Command("pkctl")
	for _, c := range []*cobra.Command{stagePalletCommand(f, p), switchCommand(f, p), upgradeCommand(f, p)} {
		f.addStore(c)
		f.addFetch(c)
		cmd.AddCommand(c)
	}
	return cmd
}

// staged is the result of staging a pallet.
type staged struct {
	Stage   int           `json:"stage"`
	Pallet  string        `json:"pallet"`
	Version string        `json:"version"`
	Clean   bool          `json:"clean"`           // whether the files are those of a commit
	Offer   *device.Offer `json:"offer,omitempty"` // what a switch or an upgrade found
}

func stagePalletCommand(f *flags, p *pallets.Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "stage",
		Short: "Stage the pallet of the directory, to start with at the next boot",
		Args:  cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := source.Describe(p.Dir)
			if err != nil {
				return err
			}
			return stage(cmd, f, p, p.Dir, state, device.Followed{}, nil)
		},
	}
}

// stage makes the bundle of a pallet and stages it.
func stage(cmd *cobra.Command, f *flags, p *pallets.Flags, dir string, state source.State, follow device.Followed,
	offer *device.Offer) error {
	read, err := p.Read(cmd, dir)
	if err != nil {
		return err
	}
	b, err := p.Bundle(cmd, read, state)
	if err != nil {
		return err
	}
	n, err := f.device(cmd).Stage(cmd.Context(), b, follow, f.noFetch)
	if err != nil {
		return err
	}
	return cli.Printf(cmd, staged{n, read.Path, state.Version, state.Clean, offer},
		"stage %d is next: pallet %s%s; reboot to start it\n", n, read.Path, pallets.DescribeVersion(state))
}

func switchCommand(f *flags, p *pallets.Flags) *cobra.Command {
	var allowed device.Permission
	cmd := &cobra.Command{
		Use:   "switch PATH@QUERY",
		Short: "Stage a pallet from Git, to start with at the next boot",
		Long: "Stage a pallet from Git, to start with at the next boot. The query is a branch, a tag or the beginning of a\n" +
			"commit; upgrades follow it from then on.",
		Example: "  pkctl pallet switch github.com/PlanktoScope/pallet-standard@v2024.0.0",
		Args:    cli.Exactly("PATH@QUERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			followed, err := device.ParseFollowed(args[0])
			if err != nil {
				return fmt.Errorf("%w: %w", cli.ErrUsage, err)
			}
			s, err := p.Source()
			if err != nil {
				return err
			}
			offer, err := f.device(cmd).Offer(cmd.Context(), s, followed)
			if err != nil {
				return err
			}
			allowed.Downgrade = true
			return follow(cmd, f, p, s, followed, offer, allowed)
		},
	}
	cmd.Flags().BoolVar(&allowed.Force, "force", false, "replace a stage with changes that upstream lacks")
	return cmd
}

// follow stages an offer, and remembers what upgrades follow.
func follow(cmd *cobra.Command, f *flags, p *pallets.Flags, s source.Source, followed device.Followed, offer device.Offer,
	allowed device.Permission) error {
	if err := offer.Allow(allowed); err != nil {
		return err
	}
	if offer.Local != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: %s %s replaces it\n", offer.Local, offer.Pallet, offer.Version)
	}
	dir, err := s.Resolve(cmd.Context(), offer.Requirement)
	if err != nil {
		return err
	}
	state := source.State{Version: offer.Version, Commit: offer.Requirement.Lock.Commit, Clean: true}
	return stage(cmd, f, p, dir, state, followed, &offer)
}

func upgradeCommand(f *flags, p *pallets.Flags) *cobra.Command {
	var allowed device.Permission
	var check bool
	cmd := &cobra.Command{
		Use:   "upgrade [@QUERY]",
		Short: "Stage what the branch or tag of the pallet is now, to start with at the next boot",
		Long: "Stage what the followed branch or tag of the pallet is now, to start with at the next boot. With --check nothing is\n" +
			"staged: the exit code is 0 if there is nothing new, 3 if there is.",
		Args: cli.Optional("@QUERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d := f.device(cmd)
			followed, err := d.Followed()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				followed.Query = strings.TrimPrefix(args[0], "@")
			}
			s, err := p.Source()
			if err != nil {
				return err
			}
			offer, err := d.Offer(cmd.Context(), s, followed)
			switch {
			case err != nil:
				return err
			case check:
				return checked(cmd, offer)
			case offer.Needless() && !allowed.Force:
				return cli.Printf(cmd, offer, "%s\n", offer)
			}
			return follow(cmd, f, p, s, followed, offer, allowed)
		},
	}
	cmd.Flags().BoolVar(&allowed.Downgrade, "allow-downgrade", false, "stage an older version")
	cmd.Flags().BoolVar(&allowed.Force, "force", false, "replace a stage with changes that upstream lacks, and stage again what is staged already")
	cmd.Flags().BoolVar(&check, "check", false, "only report whether there is something new")
	return cmd
}

// checked prints an offer; its exit code says whether it is new.
func checked(cmd *cobra.Command, offer device.Offer) error {
	if err := cli.Printf(cmd, offer, "%s\n", offer); err != nil {
		return err
	}
	if offer.Relation == device.New {
		return updateAvailable
	}
	return nil
}
