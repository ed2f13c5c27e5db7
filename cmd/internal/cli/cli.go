// Package cli holds what the commands share: exit codes, usage errors, interruption, and printing results as text or JSON.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// The exit codes.
const (
	Done   = 0
	Failed = 1 // the command failed, or what it checked is not so
	Usage  = 2 // the command line is wrong
)

// ErrUsage marks an error of the command line.
var ErrUsage = errors.New("usage")

// Exit is an exit code as an error: the program exits with this code and prints no message.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// ErrReported is a failure about which everything was printed already.
const ErrReported = Exit(Failed)

// ErrorPrinter prints errors of one type in a format of their own. It returns false, and prints nothing, for an error of
// another type.
type ErrorPrinter func(stderr io.Writer, called *cobra.Command, err error) bool

// Main runs a command with the process's arguments, cancels its context on SIGINT, SIGTERM and SIGHUP, and exits with its
// exit code. printers format errors of their own types.
func Main(root *cobra.Command, printers ...ErrorPrinter) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := Run(ctx, root, os.Args[1:], os.Stdout, os.Stderr, printers...)
	stop()
	os.Exit(code)
}

// Run runs a command with arguments, prints its error to stderr, and returns the exit code: 0 for success, 1 for an
// error, 2 for wrong usage, or an Exit. printers format errors of their own types.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer, printers ...ErrorPrinter) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	addVersionFlag(root)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	called, err := root.ExecuteContextC(waiting.With(ctx, waiting.Notifier{
		After: 5 * time.Second, Every: 30 * time.Second,
		Notify: func(message string) { fmt.Fprintf(stderr, "%s: %s\n", root.Name(), message) },
	}))
	var exit Exit
	switch {
	case err == nil:
		return Done
	case errors.As(err, &exit):
		return int(exit)
	case slices.ContainsFunc(printers, func(p ErrorPrinter) bool { return p(stderr, called, err) }):
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

// Group returns a command that only has subcommands, and prints its help when it is called itself.
func Group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: unknown command %q%s", ErrUsage, cmd.CommandPath()+" "+args[0], suggestions(cmd, args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// suggestions names the subcommands that are spelled nearly like a word.
func suggestions(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	names := cmd.SuggestionsFor(word)
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// Exactly checks that a command gets the named arguments and no others, as cobra.ExactArgs. The error names the missing
// or superfluous argument.
func Exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%w: argument %s is missing", ErrUsage, names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("%w: %q is one argument too many", ErrUsage, args[len(names)])
		}
		return nil
	}
}

// Optional checks that a command gets the named arguments, of which the last may be missing.
func Optional(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names)-1 {
			return nil
		}
		return Exactly(names...)(cmd, args)
	}
}

// AtLeast checks that a command gets the named arguments, of which the last may be repeated. The error names the
// missing argument.
func AtLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return Exactly(names...)(cmd, args[:min(len(args), len(names))])
	}
}

// Version returns the command that prints the version of a program.
func Version(program, version string) *cobra.Command {
	info, _ := debug.ReadBuildInfo()
	text := fmt.Sprintf("%s %s %s\n", program, version, info.GoVersion)
	return &cobra.Command{
		Use:         "version",
		Short:       "Print the version",
		Example:     "  " + program + " version\n  " + program + " --version",
		Annotations: map[string]string{versionAnnotation: text},
		Args:        Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return Printf(cmd, map[string]string{"program": program, "version": version, "go": info.GoVersion}, "%s", text)
		},
	}
}

// versionAnnotation is the key of the text that a version command prints.
const versionAnnotation = "version"

// addVersionFlag gives a program with a version command the flag --version, which prints the same.
func addVersionFlag(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if text := cmd.Annotations[versionAnnotation]; text != "" {
			root.Version = text
			root.SetVersionTemplate("{{.Version}}")
		}
	}
}

// helpCommand returns the command that prints the help of others. Unlike cobra's it refuses unknown ones.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND...]",
		Short: "Print the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			called := cmd.Root()
			for _, arg := range args {
				next := subcommand(called, arg)
				if next == nil {
					return fmt.Errorf("%w: unknown command %q%s", ErrUsage, called.CommandPath()+" "+arg, suggestions(called, arg))
				}
				called = next
			}
			called.InitDefaultHelpFlag()
			return called.Help()
		},
	}
}

// subcommand returns a command by its name or an alias, or nil.
func subcommand(of *cobra.Command, name string) *cobra.Command {
	for _, cmd := range of.Commands() {
		if cmd.Name() == name || cmd.HasAlias(name) {
			return cmd
		}
	}
	return nil
}

// flagError adds the most similar flag to the error of an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	if name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --"); unknown {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		name, _, _ = strings.Cut(name, "=")
		if near := spelling.Nearest(name, known); near != "" {
			return fmt.Errorf("%w: %w; did you mean --%s?", ErrUsage, err, near)
		}
	}
	return fmt.Errorf("%w: %w", ErrUsage, err)
}
