package disk

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	pieceSize = 1 << 20
	pieces    = 16 // in flight
)

// sink receives a disk front to back: WriteAt with ascending offsets, where skipped bytes are zeroes, and then finish with
// the size of the disk.
type sink interface {
	io.WriterAt
	finish(size int64) error
}

// piece is a part of the disk in flight to the sinks.
type piece struct {
	offset int64
	data   []byte
	users  atomic.Int32
}

// tee passes what is written to several sinks, each of which runs in a goroutine.
type tee struct {
	group  errgroup.Group
	queues []chan *piece
	free   chan *piece
	failed chan struct{} // closed when a sink fails
	size   int64         // set before the queues are closed
}

// incomplete is the size with which a tee is closed if the disk is not complete.
const incomplete = -1

func newTee(sinks ...sink) *tee {
	t := &tee{free: make(chan *piece, pieces), failed: make(chan struct{}), size: incomplete}
	for range pieces {
		t.free <- &piece{data: make([]byte, 0, pieceSize)}
	}
	var failed atomic.Bool
	for _, s := range sinks {
		queue := make(chan *piece, pieces)
		t.queues = append(t.queues, queue)
		t.group.Go(func() error {
			err := t.feed(s, queue)
			if err != nil && failed.CompareAndSwap(false, true) {
				close(t.failed)
			}
			return err
		})
	}
	return t
}

// feed writes the pieces of a queue to a sink.
func (t *tee) feed(s sink, queue chan *piece) error {
	for p := range queue {
		if _, err := s.WriteAt(p.data, p.offset); err != nil {
			return err
		}
		if p.users.Add(-1) == 0 {
			t.free <- p
		}
	}
	if t.size == incomplete {
		return nil
	}
	return s.finish(t.size)
}

// WriteAt implements io.WriterAt: it queues the data for the sinks. The error of a sink is returned by close.
func (t *tee) WriteAt(b []byte, offset int64) (int, error) {
	for done := 0; done < len(b); {
		var p *piece
		select {
		case <-t.failed:
			return done, io.ErrShortWrite
		case p = <-t.free:
		}
		p.offset = offset + int64(done)
		p.data = append(p.data[:0], b[done:min(len(b), done+pieceSize)]...)
		p.users.Store(int32(len(t.queues)))
		for _, queue := range t.queues {
			queue <- p // never blocks: a queue holds all pieces
		}
		done += len(p.data)
	}
	return len(b), nil
}

// close waits until the sinks have received everything, and finishes them unless the size is incomplete.
func (t *tee) close(size int64) error {
	t.size = size
	for _, queue := range t.queues {
		close(queue)
	}
	return t.group.Wait()
}

// WriteBehind calls write with a writer for a file, to which another goroutine writes, so that reading and writing
// overlap. The writes must have ascending offsets. WriteBehind returns when all of them have ended, with their error or
// that of write; it does not sync the file.
func WriteBehind(f *os.File, write func(io.WriterAt) error) error {
	return writeBehind(unsized{newDirect(f)}, write)
}

func writeBehind(s sink, write func(io.WriterAt) error) error {
	t := newTee(s)
	if err := write(t); err != nil {
		return errors.Join(t.close(incomplete), err)
	}
	return t.close(0)
}

// unsized is a sink whose size does not matter.
type unsized struct{ io.WriterAt }

func (unsized) finish(int64) error { return nil }
