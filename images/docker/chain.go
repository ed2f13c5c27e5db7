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

// maxLayers is how many layers an image can have: overlay2 takes 128 below a container, and one of them is Docker's.
const maxLayers = 127

// chained is a layer over those below it, which is what Docker keeps once for all images.
type chained struct {
	images.Layer
	id       digest.Digest // of the chain
	parent   *chained      // nil: the base
	children bool

	diff  *tree.Node   // the directory with what the layer changes
	size  int64        // of the files in it, in bytes
	split tree.Content // by which Docker writes the archive anew: see tarSplit
}

// cacheID is the name of the layer's directory.
func (l *chained) cacheID() string { return l.id.Encoded() }

// linkLength is that of the short names of directories, of which a mount can take many.
const linkLength = 26

// link is the short name of the layer's directory.
func (l *chained) link() string {
	sum, _ := hex.DecodeString(l.id.Encoded()) // a valid digest
	return base32.StdEncoding.EncodeToString(sum)[:linkLength]
}

// shortName is that of the directory of a layer that belongs to a container.
func shortName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base32.StdEncoding.EncodeToString(sum[:])[:linkLength]
}

// chainsOf are the layers of images, each chain once and those below it first.
func chainsOf(all []images.Image) ([]*chained, error) {
	known := map[digest.Digest]*chained{}
	var out []*chained
	for _, image := range all {
		diffs, err := diffIDs(image)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", title(image), err)
		}
		var parent *chained
		for i, id := range identity.ChainIDs(diffs) {
			if known[id] == nil {
				known[id] = &chained{Layer: image.Layers[i], id: id, parent: parent}
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

// title is what messages call an image.
func title(image images.Image) string {
	if len(image.Names) > 0 {
		return image.Names[0]
	}
	return image.ID().String()
}

// diffIDs are those of the configuration, which the layers must have as well.
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
	if len(ids) > maxLayers {
		return nil, fmt.Errorf("it has %d layers, and Docker runs at most %d", len(ids), maxLayers)
	}
	for _, id := range ids {
		if err := images.Valid(id); err != nil {
			return nil, err
		}
	}
	same := func(l images.Layer, id digest.Digest) bool { return l.DiffID == id }
	if !slices.EqualFunc(image.Layers, ids, same) {
		return nil, errors.New("its layers are not those that its configuration names")
	}
	return ids, nil
}
