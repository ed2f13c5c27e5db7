package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// MaxLayers is how many layers an image may have: what Docker mounts at once.
const MaxLayers = 127

// maxLayer is the size of the largest layer, in bytes: beyond it lies no card that a device has.
const maxLayer = 1 << 40

// maxValues is how many values a manifest or an index may have in all.
const maxValues = 100_000

// kindOf is the media type of a manifest or an index, by its content: what a server says of it is not covered by a digest.
func kindOf(data []byte) (string, error) {
	if len(data) > MaxMetadata {
		return "", fmt.Errorf("its manifest has %d bytes, more than %d", len(data), MaxMetadata)
	}
	if bytes.Count(data, []byte(",")) > maxValues { // some of which take a hundred times as much memory when they are read
		return "", fmt.Errorf("its manifest has more than %d values", maxValues)
	}
	switch kind := manifest.GuessMIMEType(data); kind {
	case manifest.DockerV2Schema1MediaType, manifest.DockerV2Schema1SignedMediaType:
		return "", errors.New("its manifest is of schema 1, which nothing has written since 2017; " +
			"pull the image with an old Docker and push it with a new one")
	case manifest.DockerV2ListMediaType, manifest.DockerV2Schema2MediaType,
		imagespec.MediaTypeImageIndex, imagespec.MediaTypeImageManifest:
		return kind, nil
	}
	return "", fmt.Errorf("what is there is no manifest of an image: %.60q", data)
}

// IsIndex tells whether a manifest is an index, which lists the manifests for several platforms.
func IsIndex(data []byte) (bool, error) {
	kind, err := kindOf(data)
	return err == nil && manifest.MIMETypeIsMultiImage(kind), err
}

// Choose is the digest of the manifest for a platform in an index.
func Choose(index []byte, p Platform) (digest.Digest, error) {
	kind, err := kindOf(index)
	if err != nil {
		return "", err
	}
	list, err := manifest.ListFromBlob(index, kind)
	if err != nil {
		return "", fmt.Errorf("read its index: %w", err)
	}
	chosen, err := list.ChooseInstance(&types.SystemContext{
		OSChoice: p.OS, ArchitectureChoice: p.Architecture, VariantChoice: p.Variant,
	})
	if err != nil {
		return "", fmt.Errorf("it is not there for %s; it is for %s", p, strings.Join(platforms(index), ", "))
	}
	return chosen, Valid(chosen)
}

// platforms are those of an index, without what is no image, such as attestations.
func platforms(index []byte) []string {
	var list imagespec.Index
	_ = json.Unmarshal(index, &list) // it was read before
	var out []string
	for _, m := range list.Manifests {
		if p := m.Platform; p != nil && p.OS != "unknown" {
			out = append(out, fmt.Sprintf("%.50s", Platform{p.OS, p.Architecture, p.Variant}))
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) == 0 {
		return []string{"none"}
	}
	if most := 20; len(out) > most {
		return append(out[:most], "others")
	}
	return out
}

// ConfigOf is the configuration that a manifest names.
func ConfigOf(data []byte) (types.BlobInfo, error) {
	m, err := parseManifest(data)
	if err != nil {
		return types.BlobInfo{}, err
	}
	config := m.ConfigInfo()
	switch {
	case config.MediaType != imagespec.MediaTypeImageConfig && config.MediaType != manifest.DockerV2Schema2ConfigMediaType:
		return config, fmt.Errorf("it is no container image but holds %.100q", config.MediaType)
	case config.Size > MaxMetadata:
		return config, fmt.Errorf("its configuration has %d bytes, more than %d", config.Size, MaxMetadata)
	}
	return config, Valid(config.Digest)
}

func parseManifest(data []byte) (manifest.Manifest, error) {
	kind, err := kindOf(data)
	if err != nil {
		return nil, err
	}
	if manifest.MIMETypeIsMultiImage(kind) {
		return nil, errors.New("it is an index of an index")
	}
	m, err := manifest.FromBlob(data, kind)
	if err != nil {
		return nil, fmt.Errorf("read its manifest: %w", err)
	}
	return m, nil
}

// Parse reads the manifest and the configuration of an image, which must be of a platform. The image has no names yet,
// and the digest of its manifest.
func Parse(data, config []byte, p Platform) (Image, error) {
	info, err := ConfigOf(data)
	if err != nil {
		return Image{}, err
	}
	if got := digest.FromBytes(config); got != info.Digest {
		return Image{}, fmt.Errorf("its configuration has the digest %s, not %s", got, info.Digest)
	}
	m, err := parseManifest(data)
	if err != nil {
		return Image{}, err
	}
	diffs, err := diffIDs(config, p)
	if err != nil {
		return Image{}, err
	}
	blobs := m.LayerInfos()
	if len(blobs) != len(diffs) {
		return Image{}, fmt.Errorf("its manifest has %d layers, its configuration %d", len(blobs), len(diffs))
	}
	if len(blobs) > MaxLayers {
		return Image{}, fmt.Errorf("it has %d layers; Docker mounts %d at most", len(blobs), MaxLayers)
	}
	out := Image{Digest: digest.FromBytes(data), Manifest: data, Config: config}
	for i, blob := range blobs {
		l := Layer{Digest: blob.Digest, DiffID: diffs[i], Size: blob.Size, MediaType: blob.MediaType}
		if err := l.check(); err != nil {
			return Image{}, fmt.Errorf("layer %d of %d: %w", i+1, len(blobs), err)
		}
		out.Layers = append(out.Layers, l)
	}
	return out, nil
}

func (l Layer) check() error {
	switch {
	case l.Size < -1 || l.Size > maxLayer:
		return fmt.Errorf("its size is said to be %d bytes", l.Size)
	case strings.Contains(l.MediaType, "encrypted"):
		return fmt.Errorf("it is encrypted (%.100s)", l.MediaType)
	case strings.Contains(l.MediaType, "foreign"):
		return fmt.Errorf("it is not in the registry but elsewhere (%.100s), as layers of Windows are", l.MediaType)
	}
	return errors.Join(Valid(l.Digest), Valid(l.DiffID))
}

// diffIDs are those of the layers in a configuration, which must be one of a platform.
func diffIDs(config []byte, want Platform) ([]digest.Digest, error) {
	var c imagespec.Image
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("read its configuration: %w", err)
	}
	is := Platform{c.OS, c.Architecture, c.Variant}
	if !want.runs(is) {
		return nil, fmt.Errorf("it is for %.50s, not for %s", is, want)
	}
	if c.RootFS.Type != "layers" {
		return nil, fmt.Errorf("its configuration has a rootfs of type %.50q, not of layers", c.RootFS.Type)
	}
	return c.RootFS.DiffIDs, nil
}
