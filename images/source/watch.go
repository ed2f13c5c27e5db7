package source

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
)

// mirrorRate is how many bytes a second a mirror must give while there is another place: a slower one is of no use.
const mirrorRate = 10 << 10

// answers is how many times longer the last place may take for its answer than for the next byte: it may be limiting the
// rate of requests.
const answers = 10

// watched is a context that ends when a place stalls for a time, and the functions that tell it of bytes and end it.
func watched(ctx context.Context, stall time.Duration, p place) (_ context.Context, alive func(int), stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var bytes atomic.Int64
	if !p.local {
		go watch(ctx, cancel, stall, p, &bytes)
	}
	return ctx, func(n int) { bytes.Add(int64(n)) }, func() { cancel(nil) }
}

func watch(ctx context.Context, cancel context.CancelCauseFunc, stall time.Duration, p place, bytes *atomic.Int64) {
	tick := time.NewTicker(stall)
	defer tick.Stop()
	for looks, before := 1, int64(0); ; looks++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		all := bytes.Load()
		came := all - before
		before = all
		switch {
		case p.last && all == 0 && looks < answers, p.last && came > 0, came > int64(stall.Seconds()*mirrorRate):
		case p.last && all == 0:
			cancel(fmt.Errorf("it sent nothing for %s", stall*answers))
		default:
			cancel(fmt.Errorf("it sent %s in %s", humanize.IBytes(uint64(came)), stall))
		}
	}
}
