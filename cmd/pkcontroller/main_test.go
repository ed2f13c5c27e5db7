package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/internal/clidoc"
)

func run(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	cmd := command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	return out.String(), cmd.ExecuteContext(ctx)
}

// The generated reference in docs/ is that of the command; make docs writes it.
func TestReferenceIsCurrent(t *testing.T) {
	want, err := os.ReadFile("../../docs/cli/pkcontroller.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(clidoc.Markdown(command())), "run: make docs")
}

func TestMistakesOfFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hardware.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"pump_max_speed":-1}`), 0o644))
	for want, args := range map[string][]string{
		`hardware is "robot", want hat, simulated or auto`:             {"--hardware", "robot"},
		`MQTT version is "3", want 5 or 3.1.1`:                         {"--mqtt-version", "3"},
		`divisor of simulated pictures is 0, want at least 1`:          {"--hardware", "simulated", "--simulated-divisor", "0"},
		`read hardware.json: pump_max_speed is -1, want 0.001 to 1000`: {"--hardware-file", file},
		"open camera /dev/null: inappropriate ioctl for device":        {"picture", "--video", "/dev/null", "x.jpg"},
	} {
		_, err := run(t, args...)
		require.EqualError(t, err, want)
	}
}

// TestPortInUse: the program ends with an error and does not run without its preview.
func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = run(t, "--hardware", "simulated", "--simulated-divisor", "16", "--data", t.TempDir(), "--preview", l.Addr().String())
	require.ErrorContains(t, err, "serve HTTP: listen tcp "+l.Addr().String())
}

// TestNotify: systemd is told when the program is ready.
func TestNotify(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	require.NoError(t, err)
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	ended := make(chan error)
	go func() {
		_, err := run(t, "--hardware", "simulated", "--simulated-divisor", "16", "--data", t.TempDir(), "--broker", "127.0.0.1:1", "--preview", "", "--metrics", "")
		ended <- err
	}()
	b := make([]byte, 100)
	n, err := c.Read(b)
	require.NoError(t, err)
	require.Equal(t, "READY=1", strings.TrimSpace(string(b[:n])))
	require.ErrorContains(t, <-ended, "publish the last messages to MQTT broker 127.0.0.1:1", "no broker was reachable")
}
