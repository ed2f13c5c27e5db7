package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/images"
)

// downloadBlob appends to a blob what is missing of it, and verifies it. It calls received with the size of each piece.
func downloadBlob(ctx context.Context, c *connection, info types.BlobInfo, to *images.Partial, received func(int)) error {
	if info.Size < 0 || to.Size() > info.Size {
		if err := to.Reset(); err != nil {
			return err
		}
	}
	if to.Size() < info.Size || info.Size < 0 {
		if err := appendBlob(ctx, c, info, to, received); err != nil {
			return err
		}
	}
	if to.Size() < info.Size {
		return fmt.Errorf("%w after %d of %d bytes", errTruncated, to.Size(), info.Size)
	}
	return to.Verify()
}

// errTruncated is a response that ended early without an error.
var errTruncated = fmt.Errorf("connection to the registry ended: %w", io.ErrUnexpectedEOF)

func appendBlob(ctx context.Context, c *connection, info types.BlobInfo, to *images.Partial, received func(int)) (err error) {
	body, err := c.openBlob(ctx, info, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	in := io.Reader(body)
	if info.Size >= 0 {
		in = io.LimitReader(body, info.Size-to.Size()+1) // one more, so that Verify sees a blob that is too long
	}
	_, err = io.Copy(to, readerFunc(func(b []byte) (int, error) {
		n, err := in.Read(b)
		received(n)
		return n, err
	}))
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// openBlob opens a blob where the part ends that was downloaded before, or from the beginning after a Reset.
func (c *connection) openBlob(ctx context.Context, info types.BlobInfo, to *images.Partial) (io.ReadCloser, error) {
	if c.local {
		src, err := c.openSource(ctx)
		if err != nil {
			return nil, err
		}
		if err := to.Reset(); err != nil {
			return nil, err
		}
		body, _, err := src.GetBlob(ctx, info, none.NoCache)
		return body, err
	}
	repository, err := c.openRepository(ctx)
	if err != nil {
		return nil, err
	}
	body, from, err := repository.open(ctx, info.Digest, to.Size())
	if err == nil && from < to.Size() {
		err = to.Reset()
	}
	return body, err
}
