// Package ctxio makes readers and writers that stop when a context is done.
package ctxio

import (
	"context"
	"io"
)

// Reader returns a reader whose Read fails with the cause of ctx once ctx is done. It does not interrupt a Read that
// blocks.
func Reader(ctx context.Context, r io.Reader) io.Reader { return reader{ctx, r} }

// Writer returns a writer whose Write fails with the cause of ctx once ctx is done. It does not interrupt a Write that
// blocks.
func Writer(ctx context.Context, w io.Writer) io.Writer { return writer{ctx, w} }

// ReaderAt returns an io.ReaderAt whose ReadAt fails with the cause of ctx once ctx is done.
func ReaderAt(ctx context.Context, r io.ReaderAt) io.ReaderAt { return readerAt{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

type writer struct {
	ctx context.Context
	w   io.Writer
}

func (w writer) Write(b []byte) (int, error) {
	if err := context.Cause(w.ctx); err != nil {
		return 0, err
	}
	return w.w.Write(b)
}

type readerAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (r readerAt) ReadAt(b []byte, offset int64) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.ReadAt(b, offset)
}
