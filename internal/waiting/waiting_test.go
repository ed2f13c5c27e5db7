package waiting

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// notified returns a context whose messages come from a channel.
func notified(t *testing.T) (context.Context, chan string) {
	messages := make(chan string, 100)
	return With(t.Context(), Notifier{After: 20 * time.Millisecond, Every: time.Hour, Notify: func(m string) { messages <- m }}), messages
}

func TestLimit(t *testing.T) {
	ctx, messages := notified(t)
	ctx, stop := Watch(ctx, "the server", 100*time.Millisecond, nil)
	defer stop()
	require.Regexp(t, `^waiting for the server, for [0-9.]+ms of at most 100ms$`, <-messages)
	<-ctx.Done()
	require.EqualError(t, context.Cause(ctx), "waited 100ms for the server")
	require.Empty(t, messages)
}

func TestProgress(t *testing.T) {
	ctx, messages := notified(t)
	var n atomic.Int64
	ctx, stop := Watch(ctx, "the server", 50*time.Millisecond, func() int64 { return n.Add(1) })
	time.Sleep(100 * time.Millisecond)
	require.NoError(t, ctx.Err())
	require.Empty(t, messages)
	stop()
	require.ErrorIs(t, context.Cause(ctx), context.Canceled)
}

func TestNoLimit(t *testing.T) {
	ctx, messages := notified(t)
	ctx, stop := Watch(ctx, "the lock", 0, nil)
	require.Regexp(t, `^waiting for the lock, for [0-9.]+ms$`, <-messages)
	stop()
	<-ctx.Done()
	plain, stop := Watch(t.Context(), "the lock", 0, nil)
	stop()
	require.NoError(t, plain.Err(), "nobody is notified, and there is no limit")
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Minute: "1m", 90 * time.Second: "1m30s", 10 * time.Second: "10s", 10400 * time.Millisecond: "10s", 2 * time.Hour: "2h0m", 50 * time.Millisecond: "50ms",
	} {
		require.Equal(t, want, short(d))
	}
}
