package qemu

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// serve listens on a port and sends one of the answers on each connection, the last one repeatedly.
func serve(t *testing.T, answers ...string) *net.TCPAddr {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, answers[min(i, len(answers)-1)])
			_ = conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr)
}

func TestSSHGreeting(t *testing.T) {
	got, err := sshGreeting(t.Context(), dialTCP(serve(t, "", "not yet\n", "SSH-2.0-OpenSSH_10.0\r\n")))
	require.NoError(t, err)
	require.Equal(t, "SSH-2.0-OpenSSH_10.0", got)
}

func TestSSHOnceGreeting(t *testing.T) {
	tests := map[string]string{
		"":                     "read greeting of the SSH server: EOF",
		"SSH-2.0-cut short":    "read greeting of the SSH server: EOF",
		"220 mail.example\r\n": `greeting on port 22 is "220 mail.example", want SSH-2.0-`,
		"SSH-1.5-too old\n":    `greeting on port 22 is "SSH-1.5-too old", want SSH-2.0-`,
		"SSH-2.0-" + string(make([]byte, 300)) + "\n": "read greeting of the SSH server: EOF",
	}
	for answer, want := range tests {
		_, err := sshOnceGreeting(t.Context(), dialTCP(serve(t, answer)))
		require.EqualError(t, err, want)
	}
}

func TestSSHGreetingIsCancelled(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer l.Close() // it accepts, as QEMU does, and sends nothing
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
		}
		cancel()
		<-t.Context().Done()
	}()
	_, err = sshGreeting(ctx, dialTCP(l.Addr().(*net.TCPAddr)))
	require.Regexp(t, "read greeting of the SSH server: .*use of closed|operation was canceled", err.Error())
}
