package lock

import (
	"errors"
	"fmt"
	"strings"

	godigest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images"
)

// Image is a container image by its full name with the digest to which the name pointed when the recipe was locked.
type Image struct {
	Name   string          // in full, such as docker.io/library/caddy:2.8
	Digest godigest.Digest // of the manifest, or of the index of a multi-platform image
}

// ImageDigest returns the digest that pins a container image, which is given by its full name: the digest in the lock,
// else the one in the name. The lock may be nil. ImageDigest fails if neither has a digest.
func (l *Lock) ImageDigest(name string) (godigest.Digest, error) {
	if l != nil {
		for _, image := range l.Images {
			if image.Name == name {
				return image.Digest, nil
			}
		}
	}
	if _, d, ok := strings.Cut(name, "@"); ok {
		return godigest.Digest(d), images.Valid(godigest.Digest(d))
	}
	return "", fmt.Errorf("container image %s is not pinned by digest; run pkbuild lock", name)
}

// FullImageName completes the name of a container image with Docker's default registry and tag: caddy becomes
// docker.io/library/caddy:latest. It fails for an invalid name.
func FullImageName(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("container image %q: %w", image, err)
	}
	return reference.TagNameOnly(named).String(), nil
}

// parseImage parses an image line without its first word.
func parseImage(text string) (i Image, err error) {
	d, name, _ := strings.Cut(text, " ")
	if name == "" {
		return i, errors.New("image line of the lock file is incomplete; want image DIGEST NAME")
	}
	i = Image{name, godigest.Digest(d)}
	if err := images.Valid(i.Digest); err != nil {
		return i, err
	}
	full, err := FullImageName(name)
	if err == nil && full != name {
		err = fmt.Errorf("image name %s is abbreviated; write %s", name, full)
	}
	return i, err
}
