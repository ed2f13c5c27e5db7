package pallet

import (
	"context"
	"fmt"
	"slices"

	"go.podman.io/image/v5/docker/reference"
)

// FullImages returns the normalized references of Images, such as docker.io/library/caddy:latest for caddy, sorted,
// without duplicates. A pallet and its bundle, read by ReadBundle, have the same.
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

// FullImage returns the normalized reference of an image: with the registry, and with the tag latest if it has neither
// tag nor digest.
func FullImage(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("container image %q: %w", name, err)
	}
	return reference.TagNameOnly(named).String(), nil
}
