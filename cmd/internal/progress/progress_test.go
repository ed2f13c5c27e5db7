package progress

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder"
)

// events are those of a build with every state.
var events = []builder.Event{
	{Step: "debian", State: builder.Started},
	{Step: "debian", State: builder.Running, Message: "Setting up vim"},
	{Step: "debian", State: builder.Running, Done: 1, Total: 2},
	{Step: "debian", State: builder.Finished, Seconds: 1.234},
	{Step: "users", State: builder.Started},
	{Step: "users", State: builder.Warning, Message: "pi has no password"},
	{Step: "users", State: builder.Cached, Key: "0123456789abcdef", Message: "not locked"},
	{Step: "disk", State: builder.Started},
	{Step: "disk", State: builder.Finished, Seconds: 0.5, Message: "pi.img: 2 GiB"},
	{Step: "disk", State: builder.Started},
	{Step: "disk", State: builder.Cached, Message: "pi.img is up to date"},
	{Step: "boot", State: builder.Started},
	{Step: "boot", State: builder.Failed, Seconds: 2},
}

const lines = `debian: started
debian: done in 1.23s
users: started
users: warning: pi has no password
users: reused from the cache (0123456789ab), not locked
disk: started
disk: done in 500ms: pi.img: 2 GiB
disk: started
disk: cached, pi.img is up to date
boot: started
boot: failed after 2s
`

// show returns the output of a view for all events.
func show(f Flags) (stdout, stderr string) {
	var out, err bytes.Buffer
	v := f.View(&out, &err)
	for _, e := range events {
		v.Event(e)
	}
	v.Close()
	return out.String(), err.String()
}

func TestLines(t *testing.T) {
	stdout, stderr := show(Flags{})
	require.Empty(t, stdout)
	require.Equal(t, lines, stderr)
	_, stderr = show(Flags{Verbose: true})
	require.Equal(t, strings.Replace(lines, "debian: done", "debian: Setting up vim\ndebian: done", 1), stderr)
	_, stderr = show(Flags{Quiet: true})
	require.Equal(t, "users: warning: pi has no password\n", stderr)
}

func TestJSON(t *testing.T) {
	stdout, stderr := show(Flags{JSON: true})
	require.Empty(t, stderr)
	require.Len(t, strings.Split(strings.TrimSpace(stdout), "\n"), len(events))
	require.Contains(t, stdout, `"step":"users","state":"warning","message":"pi has no password"`)
}

// TestBars: the lines of finished steps stay above the bar.
func TestBars(t *testing.T) {
	var out bytes.Buffer
	v := newBarView(&out)
	for _, e := range events {
		v.Event(e)
	}
	v.Close()
	for _, line := range []string{"debian: done in 1.23s", "users: warning: pi has no password", "boot: failed after 2s"} {
		require.Contains(t, out.String(), line)
	}
}

func TestFlagsExclude(t *testing.T) {
	run := func(args ...string) error {
		var f Flags
		cmd := &cobra.Command{RunE: func(*cobra.Command, []string) error { return errors.New("ran") }, SilenceErrors: true, SilenceUsage: true}
		f.Add(cmd)
		cmd.SetArgs(args)
		return cmd.Execute()
	}
	require.ErrorContains(t, run("--json", "--quiet"), "none of the others can be")
	require.EqualError(t, run("--verbose"), "ran")
}
