package pallet

import (
	"context"
	"fmt"
	"slices"

	"go.podman.io/image/v5/docker/reference"
)

// FullImages are Images with all that Docker adds to a name, sorted, each once: docker.io/library/caddy:latest for caddy.
// A bundle that was read by ReadBundle has the same ones as its pallet.
func (p *Pallet) FullImages(ctx context.Context) ([]string, error) {
	images, err := p.Images(ctx)
	if err != nil {
		return nil, err
	}
	full := make([]string, len(images))
	for i, image := range images {
		if full[i], err = FullImage(image); err != nil {
			return nil, err
		}
	}
	slices.Sort(full)
	return slices.Compact(full), nil
}

// FullImage is the name of an image with all that Docker adds to it: the registry, and the tag latest where there is
// neither a tag nor a digest.
func FullImage(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("container image %q: %w", name, err)
	}
	return reference.TagNameOnly(named).String(), nil
}
