package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

func overrideCheckCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Find changes of the user that can keep the device from booting",
		Long: "Find changes of the user that can keep the device from booting: essential files that are deleted or broken, files\n" +
			"that cannot be read, and lines of /etc/fstab that make a boot wait for a disk that is absent. The exit code is 1 if\n" +
			"there is one.",
		Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			warnings, err := f.device(cmd).CheckOverrides()
			if err != nil {
				return err
			}
			err = cli.Print(cmd, warnings, func(w io.Writer) error {
				if len(warnings) == 0 {
					return lines(w, "no change of the user can keep the device from booting, as far as pkctl can see")
				}
				for _, warning := range warnings {
					if err := lines(w, warning.String()); err != nil {
						return err
					}
				}
				return nil
			})
			if err == nil && len(warnings) > 0 {
				return cli.ErrReported
			}
			return err
		},
	}
}
