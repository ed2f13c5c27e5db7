package service

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// gate blocks the segmentation while the imager acquires pictures.
type gate struct {
	limit time.Duration // of an acquisition without any status

	mu     sync.Mutex
	busy   bool
	last   time.Time     // of the acquisition's latest status
	change chan struct{} // is closed when busy changes
}

func newGate(limit time.Duration) *gate { return &gate{limit: limit, change: make(chan struct{})} }

// imager takes a status of the imager into account.
func (g *gate) imager(payload []byte) {
	var m struct{ Status, Type string }
	if json.Unmarshal(payload, &m) != nil {
		return
	}
	switch {
	case m.Status == "Started" || strings.HasPrefix(m.Status, "Image ") || m.Type == "progress":
		g.set(true)
	case m.Status == "Done" || m.Status == "Interrupted" || m.Status == "Ready" || m.Status == "Dead" || strings.HasPrefix(m.Status, "Error"):
		g.set(false)
	}
}

func (g *gate) set(busy bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = time.Now()
	if g.busy != busy {
		g.busy = busy
		close(g.change)
		g.change = make(chan struct{})
	}
}

// isOpen reports whether no acquisition runs, and returns what signals a change and how long to wait for it at most.
func (g *gate) isOpen() (open bool, change chan struct{}, left time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	left = g.limit - time.Since(g.last)
	return !g.busy || left <= 0, g.change, left
}

// wait blocks until no acquisition runs, or it has had no status for the limit. It calls paused before it blocks.
func (g *gate) wait(ctx context.Context, paused func()) error {
	for first := true; ; first = false {
		open, change, left := g.isOpen()
		if open {
			return ctx.Err()
		}
		if first {
			paused()
		}
		select {
		case <-change:
		case <-time.After(left):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
