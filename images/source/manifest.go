package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/images"
)

// metadata is an image without its layers, each part verified against the digest in the part before.
type metadata struct {
	index []byte // from which the manifest was chosen; nil: none
	image images.Image
}

// metadata reads the image's metadata from the first endpoint that has them.
func (s *session) metadata(ctx context.Context) (m metadata, err error) {
	err = s.try(ctx, func() int64 { return 0 }, func(ctx context.Context, c *connection, _ func(int)) (err error) {
		if m, err = s.readMetadata(ctx, c); err != nil {
			return errors.Join(err, c.closeSource()) // which keeps the manifest
		}
		return nil
	})
	return m, err
}

func (s *session) readMetadata(ctx context.Context, c *connection) (m metadata, err error) {
	src, err := c.openSource(ctx)
	if err != nil {
		return m, err
	}
	top, _, err := src.GetManifest(ctx, nil)
	if err != nil {
		return m, err
	}
	got := digest.FromBytes(top)
	if s.want != "" && got != s.want {
		return m, &manifestDigestError{got, s.want}
	}
	isIndex, err := images.IsIndex(top)
	if err != nil {
		return m, permanentError{err}
	}
	manifest, instance := top, (*digest.Digest)(nil)
	if isIndex {
		m.index = top
		if instance, manifest, err = s.readInstance(ctx, src, top); err != nil {
			return m, err
		}
	}
	if err := checkPolicy(ctx, c.sys, src, instance); err != nil {
		return m, err
	}
	info, err := images.ConfigOf(manifest)
	if err != nil {
		return m, permanentError{err}
	}
	config, err := readConfig(ctx, src, info)
	if err != nil {
		return m, fmt.Errorf("configuration %s: %w", info.Digest, err)
	}
	if m.image, err = images.Parse(manifest, config, s.Platform); err != nil {
		return m, permanentError{err}
	}
	m.image.Digest = got
	return m, nil
}

// readInstance reads the manifest for the platform.
func (s *session) readInstance(ctx context.Context, src types.ImageSource, index []byte) (*digest.Digest, []byte, error) {
	chosen, err := images.Choose(index, s.Platform)
	if err != nil {
		return nil, nil, permanentError{err}
	}
	data, _, err := src.GetManifest(ctx, &chosen)
	if err != nil {
		return nil, nil, err
	}
	if got := digest.FromBytes(data); got != chosen {
		return nil, nil, &manifestDigestError{got, chosen}
	}
	return &chosen, data, nil
}

// manifestDigestError is a manifest with another digest than requested.
type manifestDigestError struct{ got, want digest.Digest }

func (e *manifestDigestError) Error() string {
	return fmt.Sprintf("manifest has the digest %s, want %s", e.got, e.want)
}

// maxConfig is how many bytes of a configuration are read: one more than the registry may send.
const maxConfig = images.MaxMetadata + 1

func readConfig(ctx context.Context, src types.ImageSource, info types.BlobInfo) (_ []byte, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, _, err := src.GetBlob(ctx, info, none.NoCache)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxConfig))
	if err != nil {
		return nil, err
	}
	if got := digest.FromBytes(data); got != info.Digest {
		return nil, &images.MismatchError{Got: got, Want: info.Digest, Size: int64(len(data))}
	}
	return data, nil
}
