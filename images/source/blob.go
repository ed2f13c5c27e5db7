package source

import (
	"context"
	"fmt"
	"io"
	"math"
	"reflect"

	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/images"
)

// downloadBlob appends to a blob what it lacks.
func downloadBlob(ctx context.Context, src types.ImageSource, info types.BlobInfo, to *images.Partial, alive func(int)) error {
	if info.Size < 0 || to.Size() > info.Size {
		if err := to.Reset(); err != nil {
			return err
		}
	}
	if to.Size() < info.Size || info.Size < 0 {
		if err := appendBlob(ctx, src, info, to, alive); err != nil {
			return err
		}
	}
	if to.Size() < info.Size {
		return fmt.Errorf("%w after %d of %d bytes", errShort, to.Size(), info.Size)
	}
	return to.Verify()
}

// errShort is a connection that ended as if all had been sent.
var errShort = fmt.Errorf("the connection ended: %w", io.ErrUnexpectedEOF)

func appendBlob(ctx context.Context, src types.ImageSource, info types.BlobInfo, to *images.Partial, alive func(int)) error {
	ctx, cancel := context.WithCancel(ctx)
	body, err := openBlob(ctx, src, info, to)
	if err != nil {
		cancel()
		return err
	}
	defer closeBlob(body)
	defer cancel() // first: the library would read to the end what is closed
	in := io.Reader(body)
	if info.Size >= 0 {
		in = io.LimitReader(body, info.Size-to.Size()+1) // one more, so that a longer one is seen to be one
	}
	_, err = io.Copy(to, readerFunc(func(b []byte) (int, error) {
		n, err := in.Read(b)
		alive(n)
		return n, err
	}))
	return err
}

// closeBlob closes a blob whose reading may have failed. The library then reads on from what is no more, once its
// resources are free, and the panic of that is all there is to hold back: see docs/upstream.md.
func closeBlob(body io.Closer) {
	defer func() { _ = recover() }()
	_ = body.Close() // what was read is verified
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// openBlob opens what is missing of a blob.
func openBlob(ctx context.Context, src types.ImageSource, info types.BlobInfo, to *images.Partial) (io.ReadCloser, error) {
	if part, ok := src.(interface{ SupportsGetBlobAt() bool }); ok && part.SupportsGetBlobAt() && to.Size() > 0 {
		if get := reflect.ValueOf(src).MethodByName("GetBlobAt"); get.IsValid() {
			return restOf(ctx, get, info, uint64(to.Size()))
		}
	}
	if err := to.Reset(); err != nil {
		return nil, err
	}
	body, _, err := src.GetBlob(ctx, info, none.NoCache)
	return body, err
}

// restOf opens a blob in the middle by a method that the library has for itself: the type of its last argument, a list
// of offsets and lengths, cannot be named here, so that it is made by reflection. With a range that goes to the end the
// method gives one reader, also where the server knows no ranges.
func restOf(ctx context.Context, get reflect.Value, info types.BlobInfo, from uint64) (io.ReadCloser, error) {
	chunks := reflect.MakeSlice(get.Type().In(2), 1, 1)
	chunks.Index(0).FieldByName("Offset").SetUint(from)
	chunks.Index(0).FieldByName("Length").SetUint(math.MaxUint64)
	out := get.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(info), chunks})
	if err, _ := out[2].Interface().(error); err != nil {
		return nil, err
	}
	streams, errs := out[0].Interface().(chan io.ReadCloser), out[1].Interface().(chan error)
	select {
	case body := <-streams:
		return body, nil
	case err := <-errs:
		return nil, err
	case <-ctx.Done():
		go func() {
			if body, ok := <-streams; ok {
				body.Close()
			}
		}()
		return nil, ctx.Err()
	}
}
