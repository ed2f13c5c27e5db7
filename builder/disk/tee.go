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
	pieces    = 16 // on their way at a time
)

// sink takes the disk front to back: WriteAt with ascending offsets, what is left out being zeroes, then Close with
// the size of the whole.
type sink interface {
	io.WriterAt
	finish(size int64) error
}

// piece is a part of the disk on its way to several sinks.
type piece struct {
	offset int64
	data   []byte
	users  atomic.Int32
}

// tee hands what is written to several sinks, each of which works on its own.
type tee struct {
	group  errgroup.Group
	queues []chan *piece
	free   chan *piece
	failed chan struct{} // closed when a sink ended early
	size   int64         // set before the queues are closed; negative: the disk is not complete
}

func newTee(sinks ...sink) *tee {
	t := &tee{free: make(chan *piece, pieces), failed: make(chan struct{}), size: -1}
	for range pieces {
		t.free <- &piece{data: make([]byte, 0, pieceSize)}
	}
	var ended atomic.Bool
	for _, s := range sinks {
		queue := make(chan *piece, pieces)
		t.queues = append(t.queues, queue)
		t.group.Go(func() error {
			err := t.feed(s, queue)
			if err != nil && ended.CompareAndSwap(false, true) {
				close(t.failed)
			}
			return err
		})
	}
	return t
}

// feed gives a sink its pieces.
func (t *tee) feed(s sink, queue chan *piece) error {
	for p := range queue {
		if _, err := s.WriteAt(p.data, p.offset); err != nil {
			return err
		}
		if p.users.Add(-1) == 0 {
			t.free <- p
		}
	}
	if t.size < 0 {
		return nil
	}
	return s.finish(t.size)
}

// WriteAt implements io.WriterAt. The error that ended a sink comes from close.
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
			queue <- p // has room for all pieces
		}
		done += len(p.data)
	}
	return len(b), nil
}

// close waits until the sinks have all, and finishes them where the disk of so many bytes is complete. A negative size
// says that it is not.
func (t *tee) close(size int64) error {
	t.size = size
	for _, queue := range t.queues {
		close(queue)
	}
	return t.group.Wait()
}

// Behind has another goroutine write to a file what write writes, in ascending order: it reads while that one writes, as
// in the writing of a disk.
func Behind(f *os.File, write func(io.WriterAt) error) error {
	return behind(endless{newDirect(f)}, write)
}

func behind(s sink, write func(io.WriterAt) error) error {
	t := newTee(s)
	if err := write(t); err != nil {
		return errors.Join(t.close(-1), err)
	}
	return t.close(0)
}

// endless is a sink that nothing needs to be done for at the end.
type endless struct{ io.WriterAt }

func (endless) finish(int64) error { return nil }
