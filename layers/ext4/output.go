package ext4

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const (
	bufferSize  = 1 << 20
	kernelCopy  = 256 << 10 // from this size on the kernel copies
	copyAtATime = 16 << 20  // so that a cancelled context is noticed soon
)

// output writes blocks in ascending order, gathering those that follow each other.
type output struct {
	to     io.WriterAt
	base   int64 // where block 0 lies in it
	at     int64 // where the buffer belongs
	buffer []byte
}

// write writes whole blocks.
func (o *output) write(block uint64, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), bufferSize)
		room, err := o.room(block, n)
		if err != nil {
			return err
		}
		copy(room, b[:n])
		b = b[n:]
		block += uint64(n / blockSize)
	}
	return nil
}

// room is a piece of the buffer, up to bufferSize, to be filled with the blocks from the one given on.
func (o *output) room(block uint64, size int) ([]byte, error) {
	at := o.base + int64(block)*blockSize
	if at != o.at+int64(len(o.buffer)) || len(o.buffer)+size > cap(o.buffer) {
		if err := o.flush(); err != nil {
			return nil, err
		}
		o.at = at
	}
	n := len(o.buffer)
	o.buffer = o.buffer[:n+size]
	return o.buffer[n:], nil
}

func (o *output) flush() error {
	if len(o.buffer) == 0 {
		return nil
	}
	_, err := o.to.WriteAt(o.buffer, o.at)
	o.buffer = o.buffer[:0]
	return err
}

// copy writes a part of a content, from an offset on, into so many blocks; zeroes follow the content's end.
func (o *output) copy(ctx context.Context, block uint64, c tree.Content, from int64, blocks uint32) error {
	size := min(int64(blocks)*blockSize, c.Size-from)
	whole := size / blockSize * blockSize
	in, fromFile := c.ReaderAt.(*os.File)
	out, toFile := o.to.(*os.File)
	if fromFile && toFile && whole >= kernelCopy {
		if err := o.flush(); err != nil {
			return err
		}
		done, err := copyRange(ctx, out, o.base+int64(block)*blockSize, in, c.Offset+from, whole)
		if err != nil {
			return err
		}
		from, size, block = from+done, size-done, block+uint64(done/blockSize)
	}
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(size, bufferSize)
		room, err := o.room(block, int(ceil(n, blockSize)*blockSize))
		if err != nil {
			return err
		}
		if err := readFull(c, room[:n], from); err != nil {
			return err
		}
		clear(room[n:])
		from, size, block = from+n, size-n, block+uint64(n/blockSize)
	}
	return nil
}

func readFull(c tree.Content, b []byte, from int64) error {
	n, err := c.ReadAt(b, c.Offset+from)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return shortContent(from+int64(n), c.Size)
	}
	return fmt.Errorf("read content: %w", err)
}

func shortContent(end, size int64) error {
	return fmt.Errorf("read content: it ends at %d of %d bytes", end, size)
}

// copyRange lets the kernel copy whole blocks. What it cannot copy, it leaves: done is how far it came.
func copyRange(ctx context.Context, to *os.File, out int64, from *os.File, in, size int64) (done int64, err error) {
	for done < size {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		n, err := unix.CopyFileRange(int(from.Fd()), &in, int(to.Fd()), &out, int(min(size-done, copyAtATime)), 0)
		if n <= 0 || err != nil {
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
				return done, os.NewSyscallError("copy_file_range", err)
			}
			break // another file system, an old kernel, the end: reading tells
		}
		done += int64(n)
	}
	return done / blockSize * blockSize, nil
}
