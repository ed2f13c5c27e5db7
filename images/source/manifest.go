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

// chosen is the manifest for the platform and the index from which it was chosen, both verified.
type chosen struct {
	digest   digest.Digest // of the index or, without one, of the manifest
	index    []byte        // nil: none
	manifest []byte
}

// readManifest reads the manifest at an endpoint and checks the signature policy.
func (s *session) readManifest(ctx context.Context, c *connection) (m chosen, err error) {
	src, err := c.openSource(ctx)
	if err != nil {
		return m, err
	}
	top, _, err := src.GetManifest(ctx, nil)
	if err != nil {
		return m, err
	}
	m = chosen{digest: digest.FromBytes(top), manifest: top}
	if s.want != "" && m.digest != s.want {
		return m, &manifestDigestError{m.digest, s.want}
	}
	isIndex, err := images.IsIndex(top)
	if err != nil {
		return m, permanentError{err}
	}
	instance := (*digest.Digest)(nil)
	if isIndex {
		m.index = top
		if instance, m.manifest, err = s.readInstance(ctx, src, top); err != nil {
			return m, err
		}
	}
	return m, checkPolicy(ctx, c.sys, src, instance)
}

// metadata is an image without its layers, each part verified against the digest in the part before.
type metadata struct {
	index []byte // from which the manifest was chosen; nil: none
	image images.Image
}

func (s *session) readMetadata(ctx context.Context, c *connection) (m metadata, err error) {
	manifest, err := s.readManifest(ctx, c)
	if err != nil {
		return m, err
	}
	info, err := images.ConfigOf(manifest.manifest)
	if err != nil {
		return m, permanentError{err}
	}
	config, err := readConfig(ctx, c, info)
	if err != nil {
		return m, fmt.Errorf("image configuration %s: %w", info.Digest, err)
	}
	m = metadata{index: manifest.index}
	if m.image, err = images.Parse(manifest.manifest, config, s.Platform); err != nil {
		return m, permanentError{err}
	}
	m.image.Digest = manifest.digest
	return m, nil
}

// fromAny returns what read returns for the first endpoint where it succeeds.
func fromAny[T any](ctx context.Context, s *session, read func(context.Context, *connection) (T, error)) (out T, err error) {
	err = s.try(ctx, func() int64 { return 0 }, func(ctx context.Context, c *connection, _ func(int)) (err error) {
		if out, err = read(ctx, c); err != nil {
			return errors.Join(err, c.closeSource()) // which keeps the manifest
		}
		return nil
	})
	return out, err
}

// readInstance reads the manifest for the platform.
func (s *session) readInstance(ctx context.Context, src types.ImageSource, index []byte) (*digest.Digest, []byte, error) {
	want, err := images.Choose(index, s.Platform)
	if err != nil {
		return nil, nil, permanentError{err}
	}
	data, _, err := src.GetManifest(ctx, &want)
	if err != nil {
		return nil, nil, err
	}
	if got := digest.FromBytes(data); got != want {
		return nil, nil, &manifestDigestError{got, want}
	}
	return &want, data, nil
}

// manifestDigestError is a manifest with another digest than requested.
type manifestDigestError struct{ got, want digest.Digest }

func (e *manifestDigestError) Error() string {
	return fmt.Sprintf("manifest has the digest %s, want %s", e.got, e.want)
}

// maxConfig is how many bytes of a configuration are read: one more than the registry may send.
const maxConfig = images.MaxMetadata + 1

func readConfig(ctx context.Context, c *connection, info types.BlobInfo) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	src, err := c.openSource(ctx)
	if err != nil {
		return nil, err
	}
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
