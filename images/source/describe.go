package source

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/images"
)

// described is an image as its source describes it, each part verified by the one before.
type described struct {
	index []byte // that its manifest was chosen from; nil if there is none
	image images.Image
}

// describe reads what describes the image at a place.
func (s *session) describe(ctx context.Context, src types.ImageSource, p place) (d described, err error) {
	top, _, err := src.GetManifest(ctx, nil)
	if err != nil {
		return d, err
	}
	got := digest.FromBytes(top)
	if s.want != "" && got != s.want {
		return d, &wrongError{got, s.want}
	}
	index, err := images.IsIndex(top)
	if err != nil {
		return d, settled{err}
	}
	manifest, instance := top, (*digest.Digest)(nil)
	if index {
		d.index = top
		if instance, manifest, err = s.instance(ctx, src, top); err != nil {
			return d, err
		}
	}
	if err := allowed(ctx, p.sys, src, instance); err != nil {
		return d, err
	}
	info, err := images.ConfigOf(manifest)
	if err != nil {
		return d, settled{err}
	}
	config, err := readConfig(ctx, src, info)
	if err != nil {
		return d, fmt.Errorf("configuration %s: %w", info.Digest, err)
	}
	if d.image, err = images.Parse(manifest, config, s.Platform); err != nil {
		return d, settled{err}
	}
	d.image.Digest = got
	return d, nil
}

// instance is the manifest for the platform.
func (s *session) instance(ctx context.Context, src types.ImageSource, index []byte) (*digest.Digest, []byte, error) {
	chosen, err := images.Choose(index, s.Platform)
	if err != nil {
		return nil, nil, settled{err}
	}
	data, _, err := src.GetManifest(ctx, &chosen)
	if err != nil {
		return nil, nil, err
	}
	if got := digest.FromBytes(data); got != chosen {
		return nil, nil, &wrongError{got, chosen}
	}
	return &chosen, data, nil
}

// wrongError is a manifest that is not the one that was asked for.
type wrongError struct{ got, want digest.Digest }

func (e *wrongError) Error() string {
	return fmt.Sprintf("its manifest has the digest %s, not %s", e.got, e.want)
}

// maxConfig is how much is read of a configuration at most, in bytes; images refuses less.
const maxConfig = 4<<20 + 1

func readConfig(ctx context.Context, src types.ImageSource, info types.BlobInfo) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, _, err := src.GetBlob(ctx, info, none.NoCache)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var data bytes.Buffer
	if _, err := io.Copy(&data, io.LimitReader(body, maxConfig)); err != nil {
		return nil, err
	}
	if got := digest.FromBytes(data.Bytes()); got != info.Digest {
		return nil, &images.MismatchError{Got: got, Want: info.Digest, Size: int64(data.Len())}
	}
	return data.Bytes(), nil
}
