package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/store"
)

// verified is the result of verifying a stage.
type verified struct {
	Stage       int      `json:"stage"`
	Differences []string `json:"differences"` // of the bundle's files
	Images      []string `json:"images"`      // what is wrong with container images
	Repaired    []string `json:"repaired"`    // what was wrong with them
}

func verifyCommand(f *flags) *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "verify STAGE",
		Short: "Compare a stage and its container images with what they were when it was staged",
		Long: "Compare a stage with what it was when it was staged: contents by digest, modes, links, owners; and the layers of its\n" +
			"container images with their digests, for which root reads all their files. The exit code is 1 if anything differs.\n" +
			"With --repair, missing and damaged images are fetched again; Docker and its containers stop while layers are written.",
		Args:              cli.Exactly("STAGE"),
		ValidArgsFunction: f.completeStages,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := f.verify(cmd, args[0], repair)
			if err != nil {
				return err
			}
			err = cli.Print(cmd, v, v.print)
			if err == nil && len(v.Differences)+len(v.Images) > 0 {
				return cli.ErrReported
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "fetch missing and damaged container images again")
	return cmd
}

// verify verifies a stage. Images that cannot be verified are a warning, unless they are to be repaired.
func (f *flags) verify(cmd *cobra.Command, name string, repair bool) (v verified, err error) {
	d := f.device(cmd)
	v.Images, v.Repaired = []string{}, []string{}
	v.Stage, v.Differences, err = d.Verify(name)
	if repair && errors.Is(err, store.ErrNoDigests) {
		d.Warn(err)
		err = nil
	}
	if err != nil {
		return v, err
	}
	if repair {
		v.Repaired, err = d.RepairImages(cmd.Context(), v.Stage, docker.Service{})
		return v, err
	}
	v.Images, err = d.VerifyImages(cmd.Context(), v.Stage)
	if cmd.Context().Err() == nil && err != nil {
		d.Warn(err)
		err = nil
	}
	return v, err
}

func (v verified) print(w io.Writer) error {
	all := append(v.Differences, v.Images...)
	for _, problem := range v.Repaired {
		all = append(all, "repaired: "+problem)
	}
	if len(v.Images) > 0 {
		all = append(all, fmt.Sprintf("to fetch the images again: pkctl stage verify %d --repair", v.Stage))
	}
	if len(v.Differences)+len(v.Images) == 0 {
		all = append(all, fmt.Sprintf("stage %d is as it was staged", v.Stage))
	}
	if len(v.Repaired) > 0 {
		all = append(all, "to start the containers of the running stage: pkctl stage apply")
	}
	return lines(w, all...)
}
