package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

func scrubCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "scrub",
		Short: "Compare the stages that a boot can start with with their digests, and record damage",
		Long: "Compare the stages that a boot can start with, as they are on the disk, with what they were when they were staged.\n" +
			"The next boot prefers stages that are not damaged. pkctl-scrub.timer does so every day. The exit code is 1 if a\n" +
			"stage is damaged.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := f.device(cmd).Scrub(cmd.Context())
			if err != nil {
				return err
			}
			damaged := false
			err = cli.Print(cmd, all, func(w io.Writer) error {
				for _, s := range all {
					text := "is as it was staged"
					if s.Damage != "" {
						text = "is damaged: " + s.Damage
					}
					if err := lines(w, fmt.Sprintf("stage %d %s", s.Stage, text)); err != nil {
						return err
					}
				}
				return nil
			})
			for _, s := range all {
				damaged = damaged || s.Damage != ""
			}
			if err == nil && damaged {
				return cli.ErrReported
			}
			return err
		},
	}
}
