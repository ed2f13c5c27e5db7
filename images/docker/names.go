package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images"
)

// repositories returns the content of repositories.json: image IDs by name, by repository, all abbreviated as Docker shows
// them. An image with a digest has a name by digest in each of its repositories.
func repositories(all []images.Image) (string, error) {
	out := map[string]map[string]digest.Digest{}
	for _, image := range all {
		for _, name := range image.Names {
			if err := addName(out, name, image); err != nil {
				return "", err
			}
		}
	}
	data, err := json.Marshal(map[string]any{"Repositories": out})
	return string(data), err
}

func addName(out map[string]map[string]digest.Digest, name string, image images.Image) error {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return fmt.Errorf("image name %q: %w", name, err)
	}
	repository := reference.FamiliarName(named)
	if out[repository] == nil {
		out[repository] = map[string]digest.Digest{}
	}
	for _, key := range keys(named, image) {
		if other, known := out[repository][key]; known && other != image.ID() {
			return fmt.Errorf("image name %s is used for two images, %s and %s: rename one", key, other, image.ID())
		}
		out[repository][key] = image.ID()
	}
	return nil
}

// keys returns the names by tag and by digest of an image with a name.
func keys(named reference.Named, image images.Image) []string {
	repository := reference.FamiliarName(named)
	found := map[string]bool{}
	canonical, pinned := named.(reference.Canonical)
	if pinned {
		found[repository+"@"+canonical.Digest().String()] = true
	}
	if tagged, ok := named.(reference.Tagged); ok {
		found[repository+":"+tagged.Tag()] = true
	} else if !pinned {
		found[repository+":latest"] = true
	}
	if image.Digest != "" {
		found[repository+"@"+image.Digest.String()] = true
	}
	return slices.Sorted(maps.Keys(found))
}
