package images

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Add has a layer there, without compression, and fetches its blob where that is needed: fetch is what Put takes. Layers
// may be added at the same time.
func (b Blobs) Add(ctx context.Context, l Layer, fetch func(*Partial) error) error {
	if err := errors.Join(Valid(l.Digest), Valid(l.DiffID)); err != nil {
		return err
	}
	if l.Digest == l.DiffID {
		return b.Put(ctx, l.DiffID, fetch)
	}
	err := b.Put(ctx, l.DiffID, func(to *Partial) error {
		if err := to.Reset(); err != nil { // decompression cannot go on in the middle
			return err
		}
		// It is about to be removed: its way to the disk would take longer than all else.
		if err := b.put(ctx, l.Digest, fetch, false); err != nil {
			return err
		}
		err := b.decompress(ctx, l, to)
		if err == nil {
			err = to.Verify()
		}
		if err != nil && ctx.Err() == nil {
			err = errors.Join(err, b.remove(l.Digest)) // a crash may have left it short: the next one fetches it again
		}
		if mismatch := (*MismatchError)(nil); errors.As(err, &mismatch) {
			return fmt.Errorf("its diff ID in the configuration is %s, its content has %s", mismatch.Want, mismatch.Got)
		}
		if err != nil {
			return errors.Join(err, to.Reset())
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.remove(l.Digest)
}

// Diff opens the tar archive of a layer that was added, or whose blob was put there.
func (b Blobs) Diff(ctx context.Context, l Layer) (*os.File, error) {
	if !b.Has(l.DiffID) && !b.Has(l.Digest) {
		return nil, fmt.Errorf("layer %s is not in %s: fetch the image first", l.Digest, b.Dir)
	}
	if err := b.Add(ctx, l, func(*Partial) error { return errGone }); err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.Digest, err)
	}
	return b.Open(l.DiffID)
}

// errGone is a blob that somebody removed meanwhile.
var errGone = errors.New("it was removed; fetch the image again")

// decompress writes the archive of a layer whose blob is there.
func (b Blobs) decompress(ctx context.Context, l Layer, to io.Writer) (err error) {
	done, err := b.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	f, err := b.Open(l.Digest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	archive, err := decompressor(bufio.NewReaderSize(f, 1<<18))
	if err != nil {
		return err
	}
	defer archive.Close()
	_, err = io.Copy(&buffered{ctx: ctx, to: to}, archive)
	return err
}

// maxWindow is how far back an archive of zstd may refer, in bytes: as far as its --long does.
const maxWindow = 128 << 20

// decompressor reads what gzip, zstd or nothing compressed, whatever the media type says: as Docker does.
func decompressor(r *bufio.Reader) (io.ReadCloser, error) {
	start, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		return gzip.NewReader(r)
	case bytes.HasPrefix(start, []byte("\x28\xb5\x2f\xfd")):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case bytes.HasPrefix(start, []byte("\xfd7zXZ")), bytes.HasPrefix(start, []byte("BZh")):
		return nil, errors.New("it is compressed with xz or bzip2; of layers gzip and zstd are read")
	}
	return io.NopCloser(r), nil
}

// buffered passes on what is written to it until its context ends.
type buffered struct {
	ctx context.Context
	to  io.Writer
}

func (b *buffered) Write(data []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.to.Write(data)
}
