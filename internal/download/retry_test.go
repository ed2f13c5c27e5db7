package download

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetry(t *testing.T) {
	broken, refused := errors.New("connection reset"), errors.New("denied")
	for name, test := range map[string]struct {
		attempts []error
		grow     int64 // bytes that each attempt adds
		err      string
		waits    []time.Duration
	}{
		"success":           {attempts: []error{nil}},
		"success at last":   {attempts: []error{broken, broken, nil}, waits: []time.Duration{1, 2}},
		"too many attempts": {attempts: []error{broken, broken, broken}, err: "connection reset (3 attempts)", waits: []time.Duration{1, 2}},
		"some progress":     {attempts: []error{broken, broken, broken}, grow: MinProgress - 1, err: "connection reset (3 attempts)", waits: []time.Duration{1, 2}},
		"progress":          {attempts: []error{broken, broken, broken, broken, nil}, grow: MinProgress, waits: []time.Duration{1, 1, 1, 1}},
		"permanent":         {attempts: []error{broken, refused}, err: "denied", waits: []time.Duration{1}},
	} {
		t.Run(name, func(t *testing.T) {
			var size int64
			var waits []time.Duration
			n := 0
			r := Retry{Attempts: 3, Backoff: 1, Notify: func(err error, wait time.Duration) {
				require.Equal(t, broken, err)
				waits = append(waits, wait)
			}}
			err := r.Do(t.Context(), func(err error) bool { return errors.Is(err, refused) }, func() int64 { return size },
				func(context.Context) error { size, n = size+test.grow, n+1; return test.attempts[n-1] })
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.err)
			}
			require.Equal(t, test.waits, waits)
			require.Len(t, test.attempts, n)
		})
	}
}

// TestRetryCancel: a cancelled context ends the wait for the next attempt.
func TestRetryCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	r := Retry{Attempts: 2, Backoff: time.Hour, Notify: func(error, time.Duration) { cancel(why) }}
	err := r.Do(ctx, func(error) bool { return false }, func() int64 { return 0 }, func(context.Context) error { return errors.New("reset") })
	require.ErrorIs(t, err, why)
}
