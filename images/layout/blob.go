package layout

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/ctxio"
)

// Open opens a blob of an image for reading, by its digest.
type Open func(digest.Digest) (io.ReadCloser, error)

// blob is a blob of an image.
type blob struct {
	digest digest.Digest
	size   int64
	open   Open
}

// blobs returns the blobs of an image, each once: the layers, the configuration, the manifest.
func blobs(img images.Image, open Open) []blob {
	var out []blob
	seen := map[digest.Digest]bool{}
	add := func(b blob) {
		if !seen[b.digest] {
			out = append(out, b)
		}
		seen[b.digest] = true
	}
	for _, l := range img.Layers {
		add(blob{l.Digest, l.Size, open})
	}
	for _, data := range [][]byte{img.Config, img.Manifest} {
		add(blob{digest.FromBytes(data), int64(len(data)), func(digest.Digest) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}})
	}
	return out
}

// copy copies and verifies a blob.
func (b blob) copy(ctx context.Context, w io.Writer, copied func(n int64)) (err error) {
	r, err := b.open(b.digest)
	if err != nil {
		return fmt.Errorf("blob %s: %w", b.digest, err)
	}
	defer r.Close()
	verifier := b.digest.Verifier()
	n, err := io.Copy(io.MultiWriter(w, verifier, counter(copied)), ctxio.Reader(ctx, r))
	switch {
	case err != nil:
		return fmt.Errorf("blob %s: %w", b.digest, err)
	case n != b.size:
		return fmt.Errorf("blob %s has %d bytes, want %d", b.digest, n, b.size)
	case !verifier.Verified():
		return fmt.Errorf("image blob %s is damaged: content has another digest", b.digest)
	}
	return nil
}

// counter is called with the number of copied bytes, unless it is nil.
type counter func(n int64)

func (c counter) Write(b []byte) (int, error) {
	if c != nil {
		c(int64(len(b)))
	}
	return len(b), nil
}
