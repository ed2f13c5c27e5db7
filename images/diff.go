package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/PlanktoScope/pkbuild/internal/compress"
	"github.com/PlanktoScope/pkbuild/internal/ctxio"
)

// Add stores the uncompressed archive of a layer durably, and removes the compressed blob. If the store has neither the
// archive nor the blob, fetch downloads the blob, as fill does in Put. Layers may be added concurrently.
func (b Blobs) Add(ctx context.Context, l Layer, fetch func(*Partial) error) error {
	if err := errors.Join(Valid(l.Digest), Valid(l.DiffID)); err != nil {
		return err
	}
	if l.Digest == l.DiffID {
		return b.Put(ctx, l.DiffID, fetch)
	}
	err := b.Put(ctx, l.DiffID, func(to *Partial) error {
		if err := to.Reset(); err != nil { // decompression cannot resume
			return err
		}
		// Unsynced, since the blob is about to be removed, and syncing it would take longer than all else.
		if err := b.put(ctx, l.Digest, fetch, false); err != nil {
			return err
		}
		err := b.decompress(ctx, l, to)
		if err == nil {
			err = to.Verify()
		}
		if err != nil && ctx.Err() == nil {
			err = errors.Join(err, b.remove(l.Digest)) // a power cut may have truncated it: the next Add fetches it again
		}
		if mismatch := (*MismatchError)(nil); errors.As(err, &mismatch) {
			return fmt.Errorf("diff ID in the configuration is %s, digest of the archive is %s", mismatch.Want, mismatch.Got)
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

// Diff opens the uncompressed archive of a layer. If the store has only the compressed blob, Diff decompresses it as Add
// does. It fails if the store has neither.
func (b Blobs) Diff(ctx context.Context, l Layer) (*os.File, error) {
	if !b.Has(l.DiffID) && !b.Has(l.Digest) {
		return nil, fmt.Errorf("layer %s is not in %s: fetch the image first", l.Digest, b.Dir)
	}
	if err := b.Add(ctx, l, func(*Partial) error { return errRemoved }); err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.Digest, err)
	}
	return b.Open(l.DiffID)
}

// errRemoved is a blob that another process removed.
var errRemoved = errors.New("image layer was removed from the blob store: fetch the image again")

// decompress writes the archive of a layer whose blob is stored.
func (b Blobs) decompress(ctx context.Context, l Layer, to io.Writer) (err error) {
	done, err := b.waitForDecompressor(ctx)
	if err != nil {
		return err
	}
	defer done()
	f, err := b.Open(l.Digest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	archive, _, err := compress.NewReader(f, compress.Gzip, compress.Zstd) // whatever the media type says: as Docker does
	if err != nil {
		return err
	}
	defer archive.Close()
	_, err = io.Copy(ctxio.Writer(ctx, to), archive)
	return err
}
