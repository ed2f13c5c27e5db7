package docker

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// chainLayer is a layer above those below it. Docker stores it once for all images, by its chain ID.
type chainLayer struct {
	images.Layer
	id       digest.Digest // chain ID
	parent   *chainLayer   // nil: this is the base
	children bool

	diff  *tree.Node   // the directory with the layer's files, in the form of overlay2
	size  int64        // of these files, in bytes
	split tree.Content // see tarSplit
}

// cacheID returns the name of the layer's directory.
func (l *chainLayer) cacheID() string { return l.id.Encoded() }

// linkLength is the length of the short names of layer directories, which keep mount options short.
const linkLength = 26

// link returns the short name of the layer's directory.
func (l *chainLayer) link() string {
	sum, _ := hex.DecodeString(l.id.Encoded()) // cannot fail: the digest is valid
	return base32.StdEncoding.EncodeToString(sum)[:linkLength]
}

// shortName returns the short name of the directory of a container's own layer.
func shortName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base32.StdEncoding.EncodeToString(sum[:])[:linkLength]
}

// chainsOf returns the layers of images, each chain ID once, parents first.
func chainsOf(all []images.Image) ([]*chainLayer, error) {
	known := map[digest.Digest]*chainLayer{}
	var out []*chainLayer
	for _, image := range all {
		diffs, err := diffIDs(image)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", title(image), err)
		}
		var parent *chainLayer
		for i, id := range identity.ChainIDs(diffs) {
			if known[id] == nil {
				known[id] = &chainLayer{Layer: image.Layers[i], id: id, parent: parent}
				out = append(out, known[id])
			}
			if parent != nil {
				parent.children = true
			}
			parent = known[id]
		}
	}
	return out, nil
}

// title returns the name of an image for messages.
func title(image images.Image) string {
	if len(image.Names) > 0 {
		return image.Names[0]
	}
	return image.ID().String()
}

// diffIDs returns the diff IDs in an image's configuration, which must be those of the layers.
func diffIDs(image images.Image) ([]digest.Digest, error) {
	var config struct {
		RootFS struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(image.Config, &config); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	ids := config.RootFS.DiffIDs
	if len(ids) > images.MaxLayers {
		return nil, fmt.Errorf("image has %d layers: Docker mounts at most %d", len(ids), images.MaxLayers)
	}
	for _, id := range ids {
		if err := images.Valid(id); err != nil {
			return nil, err
		}
	}
	same := func(l images.Layer, id digest.Digest) bool { return l.DiffID == id }
	if !slices.EqualFunc(image.Layers, ids, same) {
		return nil, errors.New("image layers differ from the diff IDs in the image's configuration")
	}
	return ids, nil
}
