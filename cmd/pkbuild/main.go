// Command pkbuild compiles a recipe to a plan, builds the plan to a flashable image, and boots it in QEMU.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
	"github.com/PlanktoScope/pkbuild/cmd/internal/pallets"
	"github.com/PlanktoScope/pkbuild/recipes"
)

func main() {
	logrus.SetOutput(io.Discard) // libraries log to it, and return what matters
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	called, err := cmd.ExecuteContextC(ctx)
	var problems recipes.Problems
	switch {
	case err == nil:
		return cli.Done
	case errors.Is(err, cli.ErrReported):
		return cli.Failed
	case errors.As(err, &problems):
		reportProblems(stderr, problems, called.Flags().Arg(0))
		return cli.Failed
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "pkbuild: interrupted")
		return cli.Failed
	case errors.Is(err, cli.ErrUsage):
		fmt.Fprintf(stderr, "pkbuild: %v\nRun '%s --help' for usage.\n", err, called.CommandPath())
		return cli.Usage
	}
	fmt.Fprintf(stderr, "pkbuild: %v\n", err)
	return cli.Failed
}

func reportProblems(w io.Writer, problems recipes.Problems, recipe string) {
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
	noun := "mistakes"
	if len(problems) == 1 {
		noun = "mistake"
	}
	fmt.Fprintf(w, "pkbuild: %s: %d %s\n", recipe, len(problems), noun)
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "pkbuild",
		Short:         "Build, prove and flash images for instruments that run on a Raspberry Pi",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: there is no command %q", cli.ErrUsage, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", cli.ErrUsage, err) })
	cmd.AddCommand(imageCommand(), containerCommand(), mkext4Command(), planCommand(), lockCommand(), whyCommand(), cacheCommand(), bootCommand(), verifyCommand(),
		palletCommand(), schemaCommand(), docsCommand(), versionCommand())
	return cmd
}

// palletCommand has the commands of pkctl that work on a pallet's directory.
func palletCommand() *cobra.Command {
	cmd, _ := pallets.Command()
	return cmd
}
