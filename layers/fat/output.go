package fat

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const bufferSize = 1 << 20

// output gathers what is written in ascending order.
type output struct {
	to     io.WriterAt
	base   int64 // of the file system
	at     int64 // of the buffer in the file system
	buffer []byte
}

// position is where the next byte goes.
func (o *output) position() int64 { return o.at + int64(len(o.buffer)) }

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		room, err := o.room(int64(len(b) - done))
		if err != nil {
			return done, err
		}
		done += copy(room, b[done:])
	}
	return len(b), nil
}

// room is a piece of the buffer of up to n bytes, to be filled.
func (o *output) room(n int64) ([]byte, error) {
	if len(o.buffer) == cap(o.buffer) {
		if err := o.flush(); err != nil {
			return nil, err
		}
	}
	start := len(o.buffer)
	o.buffer = o.buffer[:start+int(min(n, int64(cap(o.buffer)-start)))]
	return o.buffer[start:], nil
}

// fillTo writes zeroes up to a position.
func (o *output) fillTo(position int64) error {
	for o.position() < position {
		room, err := o.room(position - o.position())
		if err != nil {
			return err
		}
		clear(room)
	}
	return nil
}

// skipTo leaves out what lies before a position. Both ends are multiples of blocks.
func (o *output) skipTo(position int64) error {
	err := o.flush()
	o.at = position
	return err
}

func (o *output) flush() error {
	if len(o.buffer) == 0 {
		return nil
	}
	_, err := o.to.WriteAt(o.buffer, o.base+o.at)
	o.at += int64(len(o.buffer))
	o.buffer = o.buffer[:0]
	return err
}

// copy writes a content.
func (o *output) copy(ctx context.Context, c tree.Content) error {
	for done := int64(0); done < c.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		room, err := o.room(c.Size - done)
		if err != nil {
			return err
		}
		n, err := c.ReadAt(room, c.Offset+done)
		done += int64(n)
		if n == len(room) {
			continue
		}
		if err == nil || errors.Is(err, io.EOF) {
			return fmt.Errorf("read content: file ends at %d of %d bytes", done, c.Size)
		}
		return fmt.Errorf("read content: %w", err)
	}
	return nil
}
