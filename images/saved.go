package images

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Save stores an image's manifest, its configuration and the index from which the manifest was chosen, which may be nil.
// Add stores the layers.
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

// Load returns a saved image by the digest of its manifest or index. It returns fs.ErrNotExist if the manifest, the index
// or the configuration is missing. Complete reports whether the layers are there.
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

// Complete reports whether the store has each layer of an image, as an archive or as a compressed blob.
func (b Blobs) Complete(image Image) bool {
	for _, l := range image.Layers {
		if !b.Has(l.DiffID) && !b.Has(l.Digest) {
			return false
		}
	}
	return true
}
