// Package cli is what the commands have in common: exit codes, errors of usage, interruption.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	Done   = 0
	Failed = 1 // it could not be done, or what was asked is not so
	Usage  = 2 // it was asked wrongly
)

// ErrUsage marks an error of the command line.
var ErrUsage = errors.New("usage")

// ErrReported is an error of which everything was said already.
var ErrReported = errors.New("reported")

// Teller says an error of a command in its own way; false if it has none for it.
type Teller func(stderr io.Writer, called *cobra.Command, err error) bool

// Main runs a command with the arguments and signals of the process, and ends the process.
func Main(root *cobra.Command, tell ...Teller) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := Run(ctx, root, os.Args[1:], os.Stdout, os.Stderr, tell...)
	stop()
	os.Exit(code)
}

// Run runs a command, says what went wrong, and returns the exit code.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer, tell ...Teller) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", ErrUsage, err) })
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	called, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return Done
	case errors.Is(err, ErrReported), slices.ContainsFunc(tell, func(t Teller) bool { return t(stderr, called, err) }):
		return Failed
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "%s: interrupted\n", root.Name())
		return Failed
	case errors.Is(err, ErrUsage):
		fmt.Fprintf(stderr, "%s: %v\nRun '%s --help' for usage.\n", root.Name(), err, called.CommandPath())
		return Usage
	}
	fmt.Fprintf(stderr, "%s: %v\n", root.Name(), err)
	return Failed
}

// Group makes a command that does nothing by itself.
func Group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: there is no command %q", ErrUsage, cmd.CommandPath()+" "+args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// Exactly is cobra.ExactArgs with errors that name the argument.
func Exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%w: %s is missing", ErrUsage, names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("%w: %q is one argument too many", ErrUsage, args[len(names)])
		}
		return nil
	}
}

// Optional is Exactly with a last argument that may be left out.
func Optional(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names)-1 {
			return nil
		}
		return Exactly(names...)(cmd, args)
	}
}

// Version makes the command that prints the version of a program.
func Version(program, version string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s\n", program, version, info.GoVersion)
			return err
		},
	}
}

// JSON prints a value for other programs.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
