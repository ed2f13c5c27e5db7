package controller

import (
	"context"
	"errors"
	"math"
	"sync"

	"github.com/PlanktoScope/pkbuild/services/chips/tmc5160"
)

// queueLimit is the number of moves that wait for a motor.
const queueLimit = 64

// errInterrupted is the end of a move or an acquisition that was stopped by a message.
var errInterrupted = errors.New("interrupted")

// axis is a motor with a queue of moves, which it makes one after the other.
type axis struct {
	part  string // pump or focus
	motor *tmc5160.Driver
	board *board

	mu     sync.Mutex
	queue  []*move
	cancel context.CancelCauseFunc // ends the present move; nil if there is none
	filled chan struct{}           // has a token when the queue may have changed
	holder func()                  // if not nil, an acquisition has the pump: stop calls it
	halted bool                    // stop ended the present move
}

// move is a relative move of an axis.
type move struct {
	amount     float64 // mL or mm, for the metrics
	microsteps int64
	speed      float64     // microsteps/s
	ended      func(error) // is called once, at the end of the move
}

func newAxis(part string, motor *tmc5160.Driver, b *board) *axis {
	return &axis{part: part, motor: motor, board: b, filled: make(chan struct{}, 1)}
}

// errQueueFull and errHeld refuse a move.
var (
	errQueueFull = errors.New("too many moves are waiting")
	errHeld      = errors.New("an acquisition is using the pump")
)

// add queues a move. Only the acquisition that holds the axis may add a held one, and all others are refused then.
func (a *axis) add(m *move, held bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.holder != nil && !held:
		return errHeld
	case len(a.queue) == queueLimit:
		return errQueueFull
	}
	a.queue = append(a.queue, m)
	select {
	case a.filled <- struct{}{}:
	default:
	}
	return nil
}

// stop ends the present move, drops the waiting ones, and publishes that the axis was interrupted.
func (a *axis) stop() {
	a.mu.Lock()
	dropped := a.queue
	a.queue = nil
	if a.cancel != nil {
		a.cancel(errInterrupted)
		a.halted = true
	}
	holder := a.holder
	a.board.state(a.part, Status{Status: "Interrupted"})
	a.mu.Unlock()
	for _, m := range dropped {
		m.ended(errInterrupted)
	}
	if holder != nil {
		holder()
	}
}

// hold reserves the axis for an acquisition until release. The function interrupted is called when somebody stops the axis.
func (a *axis) hold(interrupted func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holder = interrupted
}

func (a *axis) release() { a.hold(nil) }

// run makes the moves until ctx ends.
func (a *axis) run(ctx context.Context) {
	for {
		m, moving := a.next(ctx)
		if m == nil {
			select {
			case <-a.filled:
				continue
			case <-ctx.Done():
				a.drop(context.Cause(ctx))
				return
			}
		}
		err := a.motor.Move(moving, m.microsteps, m.speed)
		a.finish(m, err)
		m.ended(err)
	}
}

// drop ends the waiting moves with an error.
func (a *axis) drop(err error) {
	a.mu.Lock()
	dropped := a.queue
	a.queue = nil
	a.mu.Unlock()
	for _, m := range dropped {
		m.ended(err)
	}
}

// next starts the next move and returns its context, which stop ends.
func (a *axis) next(ctx context.Context) (*move, context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	m := a.queue[0]
	a.queue = a.queue[1:]
	ctx, a.cancel = context.WithCancelCause(ctx)
	duration := a.motor.Duration(m.microsteps, m.speed).Seconds()
	a.board.metrics.count("pkcontroller_moves_total", a.part)
	a.board.state(a.part, Status{Status: "Started", Duration: &duration})
	return m, ctx
}

// finish publishes how a move ended. An interruption was already published by stop.
func (a *axis) finish(m *move, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cancel(nil)
	halted := a.halted
	a.cancel, a.halted = nil, false
	hot := 0.0
	if a.motor.Hot() {
		hot = 1
	}
	a.board.metrics.set("pkcontroller_hot", a.part, hot)
	switch {
	case err == nil:
		a.board.metrics.add("pkcontroller_moved_units_total", a.part, math.Abs(m.amount))
		if !halted { // else it arrived at the moment of the stop, whose status is the last one
			a.board.state(a.part, Status{Status: "Done"})
		}
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
	default:
		a.board.metrics.count("pkcontroller_hardware_errors_total", a.part)
		a.board.log.Error("motor", "part", a.part, "error", err)
		a.board.state(a.part, Status{Status: "Error, " + err.Error(), Error: err.Error()})
	}
}

// result returns the answer to a request whose move ended.
func result(err error) Status {
	switch {
	case err == nil:
		return Status{Status: "Done"}
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return Status{Status: "Interrupted"}
	}
	return Status{Status: "Error, " + err.Error(), Error: err.Error()}
}
