// Package waiting tells the user for what a program waits, and limits the wait. The messages go where the context says, as
// with net/http/httptrace, so that no function between a command and a wait has to pass them on.
package waiting

import (
	"context"
	"fmt"
	"time"
)

// Notifier says when and how the user is told that a program is waiting: first after a time, then at intervals.
type Notifier struct {
	After  time.Duration // the first message comes after a wait of this length
	Every  time.Duration // between further messages
	Notify func(message string)
}

type key struct{}

// With returns a context in which Watch sends its messages to n. n.Notify may be called concurrently.
func With(ctx context.Context, n Notifier) context.Context { return context.WithValue(ctx, key{}, n) }

// Error is the error for a wait that exceeded its limit: what the program waited for, and how long.
type Error struct {
	What  string // for what the program waited
	Limit time.Duration
}

func (e *Error) Error() string { return fmt.Sprintf("waited %s for %s", short(e.Limit), e.What) }

// Watch supervises a wait until stop is called; what says for what the program waits. While progress returns the same
// number, the Notifier in ctx, if there is one, sends messages to the user; after limit without progress the returned
// context is cancelled, with an Error as its cause. A limit of 0 means no limit; a nil progress counts as no progress.
func Watch(ctx context.Context, what string, limit time.Duration, progress func() int64) (_ context.Context, stop func()) {
	n, _ := ctx.Value(key{}).(Notifier)
	if n.Notify == nil && limit == 0 {
		return ctx, func() {}
	}
	if progress == nil {
		progress = func() int64 { return 0 }
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := watch{what: what, limit: limit, progress: progress, notifier: n}
	go w.run(ctx, cancel)
	return ctx, func() { cancel(context.Canceled) }
}

type watch struct {
	what     string
	limit    time.Duration
	progress func() int64
	notifier Notifier
}

func (w watch) run(ctx context.Context, cancel context.CancelCauseFunc) {
	last, since, next := w.progress(), time.Now(), w.notifier.After
	tick := time.NewTicker(w.interval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := w.progress(); now != last {
			last, since, next = now, time.Now(), w.notifier.After
			continue
		}
		waited := time.Since(since)
		if w.limit > 0 && waited >= w.limit {
			cancel(&Error{w.what, w.limit})
			return
		}
		if w.notifier.Notify != nil && waited >= next {
			w.notifier.Notify(w.message(waited))
			next = waited + w.notifier.Every
		}
	}
}

// interval returns the time between two looks at the progress.
func (w watch) interval() time.Duration {
	shortest := time.Second
	for _, d := range []time.Duration{w.limit, w.notifier.After} {
		if d > 0 {
			shortest = min(shortest, d/4)
		}
	}
	return max(shortest, time.Millisecond)
}

func (w watch) message(waited time.Duration) string {
	text := fmt.Sprintf("waiting for %s, for %s", w.what, short(waited))
	if w.limit > 0 {
		text += fmt.Sprintf(" of at most %s", short(w.limit))
	}
	return text
}

// short returns a duration as people write it, such as 1m30s.
func short(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(time.Second)
	}
	text := d.String()
	if len(text) > 2 && text[len(text)-2:] == "0s" && d%time.Minute == 0 {
		text = text[:len(text)-2]
	}
	return text
}
