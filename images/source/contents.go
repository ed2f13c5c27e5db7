package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/images"
)

// Contents is the digest and the layers of an image. The image's configuration is not read, so the image may be one
// that cannot run, or for another platform.
type Contents struct {
	Digest digest.Digest  // of the index or, without one, of the manifest
	Layers []images.Layer // without diff IDs, the base first
}

// Contents reads the manifest of an image and returns its digest and layers, for the client's platform if the image has
// several. It fails if the image has another digest than ref, unless that in ref is empty.
func (c Client) Contents(ctx context.Context, ref Pinned) (out Contents, err error) {
	err = c.withContents(ctx, ref, func(_ *session, found Contents) error {
		out = found
		return nil
	})
	return out, err
}

// FetchContents downloads the blobs of an image's layers, compressed as the registry has them, into the blob store. It
// fails as Contents does. If the layers have more than maxSize bytes in all, it fails and downloads none.
func (c Client) FetchContents(ctx context.Context, ref Pinned, maxSize int64) (out Contents, err error) {
	err = c.started().withContents(ctx, ref, func(s *session, found Contents) error {
		out = found
		size := int64(0)
		for _, l := range found.Layers {
			if size += l.Size; size > maxSize {
				return fmt.Errorf("layers of the image have more than the allowed %d bytes", maxSize)
			}
		}
		return s.layers(ctx, found.Layers, func(ctx context.Context, l images.Layer) error {
			return s.Blobs.Put(ctx, l.Digest, func(to *images.Partial) error { return s.layer(ctx, l, to) })
		})
	})
	return out, err
}

func (c Client) withContents(ctx context.Context, ref Pinned, do func(*session, Contents) error) (err error) {
	s, err := c.session(ref.Reference, ref.Digest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	m, err := fromAny(ctx, s, s.readManifest)
	if err != nil {
		return err
	}
	layers, err := images.ParseLayers(m.manifest)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", m.digest, err)
	}
	return do(s, Contents{m.digest, layers})
}
