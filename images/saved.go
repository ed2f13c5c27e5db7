package images

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Save keeps what describes an image: its manifest, its configuration, and the index that its manifest was chosen from,
// which is nil where there was none. The layers are kept by Add.
func (b Blobs) Save(ctx context.Context, image Image, index []byte) error {
	for _, data := range [][]byte{image.Config, image.Manifest, index} {
		if data == nil {
			continue
		}
		if _, err := b.PutBytes(ctx, data); err != nil {
			return err
		}
	}
	return nil
}

// Load is the image that was saved, by the digest of its manifest or of its index. The error is fs.ErrNotExist where
// something of what describes it is missing; Complete tells whether its layers are there.
func (b Blobs) Load(d digest.Digest, p Platform) (Image, error) {
	image, err := b.load(d, p)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", d, err)
	}
	image.Digest = d
	return image, nil
}

func (b Blobs) load(d digest.Digest, p Platform) (Image, error) {
	data, err := b.Bytes(d)
	if err != nil {
		return Image{}, err
	}
	index, err := IsIndex(data)
	if err != nil {
		return Image{}, err
	}
	if index {
		if d, err = Choose(data, p); err != nil {
			return Image{}, err
		}
		if data, err = b.Bytes(d); err != nil {
			return Image{}, err
		}
	}
	info, err := ConfigOf(data)
	if err != nil {
		return Image{}, err
	}
	config, err := b.Bytes(info.Digest)
	if err != nil {
		return Image{}, err
	}
	return Parse(data, config, p)
}

// Complete tells whether all layers of an image are there.
func (b Blobs) Complete(image Image) bool {
	for _, l := range image.Layers {
		if !b.Has(l.DiffID) && !b.Has(l.Digest) {
			return false
		}
	}
	return true
}
