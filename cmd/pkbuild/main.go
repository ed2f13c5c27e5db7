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

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // it could not be done
	exitUsage  = 2 // it was asked wrongly
)

// errUsage marks an error of the command line.
var errUsage = cli.ErrUsage

// errReported is an error of which everything was said already.
var errReported = cli.ErrReported

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
		return exitDone
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &problems):
		reportProblems(stderr, problems, called.Flags().Arg(0))
		return exitFailed
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "pkbuild: interrupted")
		return exitFailed
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "pkbuild: %v\nRun '%s --help' for usage.\n", err, called.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(stderr, "pkbuild: %v\n", err)
	return exitFailed
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
				return fmt.Errorf("%w: there is no command %q", errUsage, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	cmd.AddCommand(imageCommand(), mkext4Command(), planCommand(), lockCommand(), whyCommand(), cacheCommand(), bootCommand(), verifyCommand(),
		palletCommand(), schemaCommand(), docsCommand(), versionCommand())
	return cmd
}

// exactly is cobra.ExactArgs with our kind of error.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%w: %s is missing", errUsage, names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("%w: %q is one argument too many", errUsage, args[len(names)])
		}
		return nil
	}
}

// palletCommand has the commands of pkctl that work on a pallet's directory.
func palletCommand() *cobra.Command {
	cmd, _ := pallets.Command()
	return cmd
}
