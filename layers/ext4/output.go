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
	copyAtATime = 16 << 20  // between checks of the context
)

// output writes blocks in ascending order and buffers contiguous ones.
type output struct {
	to     io.WriterAt
	base   int64 // offset of block 0
	at     int64 // offset of the buffer
	buffer []byte
}

// write writes whole blocks.
func (o *output) write(block uint64, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), bufferSize)
		part, err := o.reserve(block, n)
		if err != nil {
			return err
		}
		copy(part, b[:n])
		b = b[n:]
		block += uint64(n / blockSize)
	}
	return nil
}

// reserve returns a part of the buffer, up to bufferSize, for the caller to fill with the blocks from block on.
func (o *output) reserve(block uint64, size int) ([]byte, error) {
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

// copy writes a part of a content, from an offset on, to a number of blocks, and zeroes behind the content's end.
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
		part, err := o.reserve(block, int(ceil(n, blockSize)*blockSize))
		if err != nil {
			return err
		}
		if err := readFull(c, part[:n], from); err != nil {
			return err
		}
		clear(part[n:])
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
	return fmt.Errorf("read content: end of file at %d of %d bytes", end, size)
}

// copyRange copies whole blocks inside the kernel. It returns how many bytes it copied; the caller copies the rest.
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
			break // not supported, or the end of the file: the caller finds out
		}
		done += int64(n)
	}
	return done / blockSize * blockSize, nil
}
