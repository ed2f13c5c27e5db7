package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/cli"
)

// tool is a program with a command that returns an error, one that prints, and one without a result.
func tool(err error) *cobra.Command {
	fail := &cobra.Command{Use: "fail", Args: cli.Exactly("NAME"), RunE: func(*cobra.Command, []string) error { return err }}
	list := &cobra.Command{Use: "list", Args: cli.AtLeast("NAME"), RunE: func(cmd *cobra.Command, args []string) error {
		return cli.Printf(cmd, args, "%d names\n", len(args))
	}}
	silent := &cobra.Command{Use: "silent", Args: cli.Optional("NAME"), RunE: func(cmd *cobra.Command, args []string) error {
		return cli.Silent(cmd, map[string]int{"names": len(args)})
	}}
	root := cli.Group("tool", "A tool", fail, cli.Group("group", "A group", list, silent), cli.Version("tool", "v1"))
	cli.AddJSON(root)
	return root
}

func run(ctx context.Context, err error, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Run(ctx, tool(err), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestRun(t *testing.T) {
	const usage = "\nRun 'tool fail --help' for usage.\n"
	for what, c := range map[string]struct {
		err    error
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"done":            {nil, []string{"fail", "x"}, cli.Done, "", ""},
		"failed":          {errors.New("no disk"), []string{"fail", "x"}, cli.Failed, "", "tool: no disk\n"},
		"reported":        {fmt.Errorf("wrapped: %w", cli.ErrReported), []string{"fail", "x"}, cli.Failed, "", ""},
		"own code":        {cli.Exit(3), []string{"fail", "x"}, 3, "", ""},
		"wrong usage":     {fmt.Errorf("%w: bad name", cli.ErrUsage), []string{"fail", "x"}, cli.Usage, "", "tool: usage: bad name" + usage},
		"missing":         {nil, []string{"fail"}, cli.Usage, "", "tool: usage: argument NAME is missing" + usage},
		"too many":        {nil, []string{"fail", "x", "y"}, cli.Usage, "", `tool: usage: "y" is one argument too many` + usage},
		"unknown flag":    {nil, []string{"fail", "--x"}, cli.Usage, "", "tool: usage: unknown flag: --x" + usage},
		"unknown command": {nil, []string{"group", "lst"}, cli.Usage, "", "tool: usage: unknown command \"tool group lst\"; did you mean list?\nRun 'tool group --help' for usage.\n"},
		"flag typo":       {nil, []string{"fail", "--jso"}, cli.Usage, "", "tool: usage: unknown flag: --jso; did you mean --json?" + usage},
		"help typo":       {nil, []string{"help", "group", "lst"}, cli.Usage, "", "tool: usage: unknown command \"tool group lst\"; did you mean list?\nRun 'tool help --help' for usage.\n"},
		"help":            {nil, []string{"help", "group", "silent"}, cli.Done, "Usage:\n  tool group silent [flags]\n\nFlags:\n  -h, --help   help for silent\n      --json   print JSON\n", ""},
		"version flag":    {nil, []string{"--version"}, cli.Done, "tool v1 " + runtime.Version() + "\n", ""},
		"no suggestion":   {nil, []string{"frobnicate"}, cli.Usage, "", "tool: usage: unknown command \"tool frobnicate\"\nRun 'tool --help' for usage.\n"},
		"text":            {nil, []string{"group", "list", "a", "b"}, cli.Done, "2 names\n", ""},
		"JSON":            {nil, []string{"group", "list", "a", "--json"}, cli.Done, "[\n  \"a\"\n]\n", ""},
		"at least one":    {nil, []string{"group", "list"}, cli.Usage, "", "tool: usage: argument NAME is missing\nRun 'tool group list --help' for usage.\n"},
		"silent":          {nil, []string{"group", "silent"}, cli.Done, "", ""},
		"silent JSON":     {nil, []string{"group", "silent", "x", "--json"}, cli.Done, "{\n  \"names\": 1\n}\n", ""},
		"optional":        {nil, []string{"group", "silent", "x", "y"}, cli.Usage, "", "tool: usage: \"y\" is one argument too many\nRun 'tool group silent --help' for usage.\n"},
	} {
		t.Run(what, func(t *testing.T) {
			code, stdout, stderr := run(t.Context(), c.err, c.args...)
			require.Equal(t, c.code, code)
			require.Equal(t, c.stdout, stdout)
			require.Equal(t, c.stderr, stderr)
		})
	}
}

func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, _, stderr := run(ctx, context.Canceled, "fail", "x")
	require.Equal(t, cli.Failed, code)
	require.Equal(t, "tool: interrupted\n", stderr)
}

func TestErrorPrinter(t *testing.T) {
	var stderr bytes.Buffer
	printer := func(w io.Writer, called *cobra.Command, err error) bool {
		fmt.Fprintf(w, "%s: %v", called.Name(), err)
		return true
	}
	require.Equal(t, cli.Failed, cli.Run(t.Context(), tool(errors.New("no disk")), []string{"fail", "x"}, io.Discard, &stderr, printer))
	require.Equal(t, "fail: no disk", stderr.String())
}

// A group prints its help, and has no --json of its own.
func TestGroup(t *testing.T) {
	code, stdout, _ := run(t.Context(), nil, "group")
	require.Equal(t, cli.Done, code)
	require.Contains(t, stdout, "  list ")
	code, _, _ = run(t.Context(), nil, "group", "--json")
	require.Equal(t, cli.Usage, code)
	code, stdout, _ = run(t.Context(), nil, "version")
	require.Equal(t, cli.Done, code)
	require.Regexp(t, `^tool v1 go1\.`, stdout)
}

func TestIsTerminal(t *testing.T) {
	require.False(t, cli.IsTerminal(&bytes.Buffer{}))
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer f.Close()
	require.False(t, cli.IsTerminal(f))
}
