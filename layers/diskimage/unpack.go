package diskimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/klauspost/compress/zstd"

	"github.com/PlanktoScope/pkbuild/internal/compress"
	"github.com/PlanktoScope/pkbuild/internal/ctxio"
	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

// openVerified opens a file and fails if its digest is another one.
func openVerified(ctx context.Context, name, digest string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	sum, _, err := sha256sum.Reader(ctx, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if sum != digest {
		return nil, errors.Join(fmt.Errorf("%s has SHA-256 %s, want %s", name, sum, digest), f.Close())
	}
	return f, nil
}

// unpack decompresses an image to a file. Blocks of zeroes become holes.
func unpack(ctx context.Context, from, to *os.File, progress func(done, total int64)) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	format, err := compress.DetectAt(from)
	if err != nil {
		return err
	}
	if err := to.Truncate(0); err != nil {
		return err
	}
	in := &counter{r: ctxio.Reader(ctx, io.NewSectionReader(from, 0, info.Size())), total: info.Size(), progress: progress}
	out := &sparse{f: to}
	switch format {
	case compress.Xz:
		err = unxz(ctx, in, out)
	case compress.Zstd:
		err = unzstd(in, out)
	case compress.Zip:
		return fmt.Errorf("disk image %s is a zip archive: unzip it, or compress it with xz", from.Name())
	default:
		err = unpackOther(format, in, out)
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w", from.Name(), err)
	}
	return out.finish()
}

// unxz runs xz, which uses all processors if the file has several blocks.
func unxz(ctx context.Context, in io.Reader, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--threads=0")
	cmd.Stdin, cmd.Stdout = in, out
	err := sandbox.Exec(ctx, cmd, nil)
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install the package xz-utils", err)
	}
	return err
}

// unpackOther decompresses a format that needs no tuning.
func unpackOther(format compress.Format, in io.Reader, out io.Writer) error {
	r, err := format.NewReader(in)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
	return errors.Join(err, r.Close())
}

func unzstd(in io.Reader, out io.Writer) error {
	d, err := zstd.NewReader(in)
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = io.Copy(out, d)
	return err
}

// counter reports the progress of a reader.
type counter struct {
	r           io.Reader
	done, total int64
	progress    func(done, total int64)
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.done += int64(n)
	c.progress(c.done, c.total)
	return n, err
}

// hole is the size in bytes of a block that becomes a hole if it is all zeroes.
const hole = 4096

// sparse writes to a file and skips blocks of zeroes.
type sparse struct {
	f  *os.File
	at int64
}

// Write implements io.Writer.
func (s *sparse) Write(b []byte) (int, error) {
	zeroes := make([]byte, hole)
	for rest := b; len(rest) > 0; {
		run, data := 0, false
		for run < len(rest) {
			n := min(hole, len(rest)-run)
			if zero := bytes.Equal(rest[run:run+n], zeroes[:n]); run > 0 && zero == data {
				break
			} else {
				data = !zero
			}
			run += n
		}
		if data {
			if _, err := s.f.WriteAt(rest[:run], s.at); err != nil {
				return 0, err
			}
		}
		s.at += int64(run)
		rest = rest[run:]
	}
	return len(b), nil
}

// finish sets the size of the file and syncs it.
func (s *sparse) finish() error {
	if err := s.f.Truncate(s.at); err != nil {
		return err
	}
	return s.f.Sync()
}
