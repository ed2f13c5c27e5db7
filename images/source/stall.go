package source

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/PlanktoScope/pkbuild/internal/waiting"
)

// minMirrorRate is how many bytes a second a mirror must send while another endpoint follows.
const minMirrorRate = 10 << 10

// firstByteFactor is how many times the stall limit the last endpoint may take to answer: it may limit the rate of
// requests.
const firstByteFactor = 10

// withStallLimit returns a context that ends when an endpoint stalls, a function to report received bytes, and one that
// ends the watch. A local endpoint has no limit.
func withStallLimit(ctx context.Context, stall time.Duration, e endpoint) (_ context.Context, received func(int), stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var bytes atomic.Int64
	if e.local {
		return ctx, func(int) {}, func() { cancel(nil) }
	}
	go watchStalls(ctx, cancel, stall, e, &bytes)
	ctx, stopNotices := waiting.Watch(ctx, e.name, 0, bytes.Load)
	return ctx, func(n int) { bytes.Add(int64(n)) }, func() { stopNotices(); cancel(nil) }
}

func watchStalls(ctx context.Context, cancel context.CancelCauseFunc, stall time.Duration, e endpoint, bytes *atomic.Int64) {
	tick := time.NewTicker(stall)
	defer tick.Stop()
	for ticks, before := 1, int64(0); ; ticks++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		total := bytes.Load()
		received := total - before
		before = total
		switch {
		case e.last && total == 0 && ticks < firstByteFactor, e.last && received > 0, received > int64(stall.Seconds()*minMirrorRate):
		case e.last && total == 0:
			cancel(fmt.Errorf("the registry sent nothing for %s", stall*firstByteFactor))
		default:
			cancel(fmt.Errorf("registry is too slow: %s arrived in %s", humanize.IBytes(uint64(received)), stall))
		}
	}
}
