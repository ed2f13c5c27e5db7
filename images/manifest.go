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

// MaxLayers is how many layers an image may have: overlay2 mounts at most 128, one of which is the container's own.
const MaxLayers = 127

// maxLayer is the largest size of a layer, in bytes: larger than any SD card.
const maxLayer = 1 << 40

// maxValues is how many values a manifest or an index may have. Some take a hundred times their size in memory.
const maxValues = 100_000

// mediaType returns the media type of a manifest or an index. It looks at the content only, since no digest covers what a
// server says about it.
func mediaType(data []byte) (string, error) {
	if len(data) > MaxMetadata {
		return "", fmt.Errorf("image manifest has %d bytes: at most %d are allowed", len(data), MaxMetadata)
	}
	if bytes.Count(data, []byte(",")) > maxValues {
		return "", fmt.Errorf("image manifest has more than %d values", maxValues)
	}
	switch kind := manifest.GuessMIMEType(data); kind {
	case manifest.DockerV2Schema1MediaType, manifest.DockerV2Schema1SignedMediaType:
		return "", errors.New("manifest has schema version 1, which is obsolete since 2017: " +
			"pull the image with an old Docker and push it with a new one")
	case manifest.DockerV2ListMediaType, manifest.DockerV2Schema2MediaType,
		imagespec.MediaTypeImageIndex, imagespec.MediaTypeImageManifest:
		return kind, nil
	}
	return "", fmt.Errorf("not an OCI or Docker manifest: %.60q", data)
}

// IsIndex reports whether data is an index, which lists manifests for several platforms, rather than a manifest. It fails
// if data is no manifest or index of OCI or of Docker's schema 2.
func IsIndex(data []byte) (bool, error) {
	kind, err := mediaType(data)
	return err == nil && manifest.MIMETypeIsMultiImage(kind), err
}

// Choose returns the digest of the manifest for a platform in an OCI index. It fails if the index has none.
func Choose(index []byte, p Platform) (digest.Digest, error) {
	kind, err := mediaType(index)
	if err != nil {
		return "", err
	}
	list, err := manifest.ListFromBlob(index, kind)
	if err != nil {
		return "", fmt.Errorf("parse image index: %w", err)
	}
	chosen, err := list.ChooseInstance(&types.SystemContext{
		OSChoice: p.OS, ArchitectureChoice: p.Architecture, VariantChoice: p.Variant,
	})
	if err != nil {
		return "", fmt.Errorf("no manifest for platform %s: the index has %s", p, strings.Join(platforms(index), ", "))
	}
	return chosen, Valid(chosen)
}

// platforms returns the platforms in an index, up to 20. Entries that are not images, such as attestations, have none.
func platforms(index []byte) []string {
	var list imagespec.Index
	_ = json.Unmarshal(index, &list) // it was parsed before
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
	if limit := 20; len(out) > limit {
		return append(out[:limit], "others")
	}
	return out
}

// ConfigOf returns the digest and size of the image configuration that a manifest refers to.
func ConfigOf(data []byte) (types.BlobInfo, error) {
	m, err := parseManifest(data)
	if err != nil {
		return types.BlobInfo{}, err
	}
	config := m.ConfigInfo()
	switch {
	case config.MediaType != imagespec.MediaTypeImageConfig && config.MediaType != manifest.DockerV2Schema2ConfigMediaType:
		return config, fmt.Errorf("not a container image: configuration has the media type %.100q", config.MediaType)
	case config.Size > MaxMetadata:
		return config, fmt.Errorf("image configuration has %d bytes: at most %d are allowed", config.Size, MaxMetadata)
	}
	return config, Valid(config.Digest)
}

func parseManifest(data []byte) (manifest.Manifest, error) {
	kind, err := mediaType(data)
	if err != nil {
		return nil, err
	}
	if manifest.MIMETypeIsMultiImage(kind) {
		return nil, errors.New("image index lists another index, want a manifest")
	}
	m, err := manifest.FromBlob(data, kind)
	if err != nil {
		return nil, fmt.Errorf("parse image manifest: %w", err)
	}
	return m, nil
}

// Parse returns the image that a manifest and a configuration describe. It fails if they contradict each other or are
// for another platform. The result has no names; its digest is that of the manifest.
func Parse(data, config []byte, p Platform) (Image, error) {
	info, err := ConfigOf(data)
	if err != nil {
		return Image{}, err
	}
	if got := digest.FromBytes(config); got != info.Digest {
		return Image{}, fmt.Errorf("image configuration has the digest %s, want %s", got, info.Digest)
	}
	m, err := parseManifest(data)
	if err != nil {
		return Image{}, err
	}
	diffs, err := diffIDs(config, p)
	if err != nil {
		return Image{}, err
	}
	found, err := layersOf(m)
	if err != nil {
		return Image{}, err
	}
	if len(found) != len(diffs) {
		return Image{}, fmt.Errorf("image manifest has %d layers, but the configuration has %d", len(found), len(diffs))
	}
	for i, d := range diffs {
		if found[i].DiffID = d; Valid(d) != nil {
			return Image{}, fmt.Errorf("diff ID of layer %d of %d: %w", i+1, len(diffs), Valid(d))
		}
	}
	return Image{Digest: digest.FromBytes(data), Manifest: data, Config: config, Layers: found}, nil
}

// ParseLayers returns the layers that a manifest lists. Their diff IDs (digests of the uncompressed archives) are
// empty, since only the configuration has them.
func ParseLayers(data []byte) ([]Layer, error) {
	m, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	return layersOf(m)
}

func layersOf(m manifest.Manifest) ([]Layer, error) {
	blobs := m.LayerInfos()
	if len(blobs) > MaxLayers {
		return nil, fmt.Errorf("image has %d layers: Docker mounts at most %d", len(blobs), MaxLayers)
	}
	var out []Layer
	for i, blob := range blobs {
		l := Layer{Digest: blob.Digest, Size: blob.Size, MediaType: blob.MediaType}
		if err := l.check(); err != nil {
			return nil, fmt.Errorf("layer %d of %d: %w", i+1, len(blobs), err)
		}
		out = append(out, l)
	}
	return out, nil
}

func (l Layer) check() error {
	switch {
	case l.Size < -1 || l.Size > maxLayer:
		return fmt.Errorf("image layer has the size %d bytes in the manifest", l.Size)
	case strings.Contains(l.MediaType, "encrypted"):
		return fmt.Errorf("image layer is encrypted, which is not supported (media type %.100s)", l.MediaType)
	case strings.Contains(l.MediaType, "foreign"):
		return fmt.Errorf("image layer is not in the registry (media type %.100s): foreign layers, as Windows images have, are not supported", l.MediaType)
	}
	return Valid(l.Digest)
}

// diffIDs returns the diff IDs in a configuration, which must be for a platform.
func diffIDs(config []byte, want Platform) ([]digest.Digest, error) {
	var c imagespec.Image
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("parse image configuration: %w", err)
	}
	is := Platform{c.OS, c.Architecture, c.Variant}
	if !want.runs(is) {
		return nil, fmt.Errorf("image is for platform %.50s, not %s", is, want)
	}
	if c.RootFS.Type != "layers" {
		return nil, fmt.Errorf("image configuration has a rootfs of type %.50q, want layers", c.RootFS.Type)
	}
	return c.RootFS.DiffIDs, nil
}
