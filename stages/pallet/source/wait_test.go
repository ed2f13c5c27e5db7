package source

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/waiting"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

// silentServer accepts connections and never answers. It returns its address.
func silentServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	return l.Addr().String()
}

// finishes fails the test if f takes longer than a few seconds.
func finishes(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		require.FailNow(t, "the fetch does not end")
		return nil
	}
}

// TestSilentServer fetches from servers that never answer: the user is told, and the fetch fails.
func TestSilentServer(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "agent"))
	l, err := net.Listen("unix", os.Getenv("SSH_AUTH_SOCK"))
	require.NoError(t, err)
	defer l.Close()
	known := filepath.Join(t.TempDir(), "known_hosts")
	require.NoError(t, os.WriteFile(known, nil, 0o600))
	t.Setenv("SSH_KNOWN_HOSTS", known)
	for _, scheme := range []string{"http", "https", "git", "ssh"} {
		t.Run(scheme, func(t *testing.T) {
			server := scheme + "://" + silentServer(t) + "/"
			place := server + "x"
			messages := make(chan string, 10)
			ctx := waiting.With(t.Context(), waiting.Notifier{
				After: 50 * time.Millisecond, Every: time.Hour, Notify: func(m string) { messages <- m },
			})
			s := Source{Cache: t.TempDir(), Mirrors: mirror.Mirrors{"example.org/": server}, StallTimeout: 300 * time.Millisecond}
			err := finishes(t, func() error { _, err := s.Find(ctx, "example.org/x@main"); return err })
			require.EqualError(t, err, "fetch example.org/x from "+place+": waited 300ms for "+place)
			require.Regexp(t, `^waiting for `+place+`, for [0-9.]+ms of at most 300ms$`, <-messages)
		})
	}
}

// TestInterruptedFetch: a cancelled context ends a fetch from a server that never answers.
func TestInterruptedFetch(t *testing.T) {
	place := silentServer(t)
	for _, scheme := range []string{"http", "git"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := errors.New("interrupted")
		time.AfterFunc(100*time.Millisecond, func() { cancel(interrupted) })
		s := Source{Cache: t.TempDir(), Mirrors: mirror.Mirrors{"example.org/": scheme + "://" + place + "/"}}
		err := finishes(t, func() error { _, err := s.Find(ctx, "example.org/x@main"); return err })
		require.ErrorIs(t, err, interrupted)
	}
}
