package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/internal/userns"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

// rootless makes a command that builds layers usable by ordinary users: it runs in a user namespace. Where there is none
// it runs as it is, which is enough if all layers are cached.
func rootless(run func(cmd *cobra.Command, args []string) error) func(cmd *cobra.Command, args []string) error {
	return rootlessAs(os.Geteuid(), userns.Run, run)
}

func rootlessAs(uid int, again func(context.Context) error, run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if uid == 0 {
			return run(cmd, args)
		}
		unavailable := again(cmd.Context())
		if !errors.Is(unavailable, userns.ErrUnavailable) {
			return exitError(unavailable)
		}
		err := run(cmd, args)
		if errors.Is(err, sandbox.ErrRoot) {
			err = fmt.Errorf("%w: %w", err, unavailable)
		}
		return err
	}
}

// exitError returns the error of a program that printed its own.
func exitError(err error) error {
	exit := (*exec.ExitError)(nil)
	switch {
	case !errors.As(err, &exit):
		return err
	case exit.ExitCode() == cli.Failed:
		return cli.ErrReported
	}
	return fmt.Errorf("run pkbuild in a user namespace: %w", err)
}
