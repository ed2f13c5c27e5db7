package qemu

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseForward(t *testing.T) {
	f, err := ParseForward("8080:80")
	require.NoError(t, err)
	require.Equal(t, Forward{Host: 8080, Guest: 80}, f)
	for _, text := range []string{"", "80", "80:", ":80", "0:80", "80:65536", "a:b", "80:80:80", "80:80x", "+80:80", "080:80"} {
		_, err := ParseForward(text)
		require.EqualError(t, err, `"`+text+`" is not HOST:GUEST with two port numbers, such as 8080:80`)
	}
}

func TestSession(t *testing.T) {
	d := fakeDevice(t, "answers")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var console bytes.Buffer
	err := Session(ctx, d.o.Image, Options{Console: &console, Forwards: []Forward{{8080, 80}}}, nil, func(r *Result) {
		require.Positive(t, r.SSHPort)
		require.Contains(t, strings.Join(r.Command, " "), "hostfwd=tcp:127.0.0.1:8080-:80")
		cancel() // as Ctrl-C does
	})
	require.NoError(t, err)
	require.Contains(t, console.String(), "Power down")
}

func TestSessionErrors(t *testing.T) {
	d := fakeDevice(t, "refuses")
	err := Session(t.Context(), d.o.Image, Options{}, nil, func(*Result) {})
	require.ErrorContains(t, err, "run: apt install ipxe-qemu")
	t.Setenv("PATH", t.TempDir())
	require.EqualError(t, Session(t.Context(), d.o.Image, Options{}, nil, nil), "qemu-system-aarch64 is not installed; run: apt install qemu-system-arm")
}

// The guest's shell is one of the host here.
func TestShellSession(t *testing.T) {
	a := newShell(t, nil)
	require.NoError(t, a.start(t.Context()))
	var out bytes.Buffer
	in := strings.NewReader("echo $((40 + 2)) from the shell\nexit\n")
	require.NoError(t, a.shell(t.Context(), in, &out, 24, 80))
	require.Contains(t, out.String(), "42 from the shell")
	again, err := a.run(t.Context(), "echo again", time.Minute)
	require.NoError(t, err)
	require.Equal(t, "again", again.Text)
}
