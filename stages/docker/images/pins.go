package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// ReadPins reads which images a stage uses from the bundle in a directory; none if another tool or an older version
// staged it.
func ReadPins(bundle string) (images.Pins, error) {
	data, err := os.ReadFile(filepath.Join(bundle, images.PinFile))
	if errors.Is(err, fs.ErrNotExist) {
		return images.Pins{}, nil
	}
	if err != nil {
		return images.Pins{}, err
	}
	p, err := images.ParsePins(data)
	if err != nil {
		return images.Pins{}, fmt.Errorf("bundle %s: %w", bundle, err)
	}
	return p, nil
}

// WritePins durably adds image pins to the bundle in a directory. Names that are pinned already keep their pins. The
// store must be locked.
func WritePins(bundle string, pins images.Pins) error {
	was, err := ReadPins(bundle)
	if err != nil {
		return err
	}
	all := was.With(pins.Images...)
	if len(all.Images) == len(was.Images) {
		return nil
	}
	data, err := all.Marshal()
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(bundle, images.PinFile), data, 0o644)
}

// keepRepository is the repository of the tags that keep pinned images.
const keepRepository = "localhost/pkctl"

// KeepTag returns the additional name under which Docker keeps an image of a stage, so that `docker image prune` does
// not remove it when its own name moves to another image.
func KeepTag(id string) string {
	_, hex, _ := strings.Cut(id, ":")
	return keepRepository + ":" + hex
}

// keep gives an image its KeepTag.
func keep(ctx context.Context, d Docker, image docker.Image) error {
	for _, tag := range image.RepoTags {
		if tag == KeepTag(image.ID) {
			return nil
		}
	}
	return d.Tag(ctx, image.ID, KeepTag(image.ID))
}

// PinOf returns the pin that fixes a name to the ID of an image.
func PinOf(name string, image docker.Image) images.Pin {
	pin := images.Pin{Name: name, ID: digest.Digest(image.ID)}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return pin
	}
	if c, ok := named.(reference.Canonical); ok {
		pin.Digest = c.Digest()
		return pin
	}
	for _, text := range image.RepoDigests {
		has, err := reference.ParseNormalizedNamed(text)
		if err != nil || has.Name() != named.Name() {
			continue
		}
		if c, ok := has.(reference.Canonical); ok {
			pin.Digest = c.Digest()
		}
	}
	return pin
}

// pullName returns the name under which a registry has the image of a pin; empty if it came in a file and its name has no
// digest, so that the registry may have another image.
func pullName(pin images.Pin) string {
	named, err := reference.ParseNormalizedNamed(pin.Name)
	if err != nil || pin.Digest == "" {
		return ""
	}
	c, err := reference.WithDigest(reference.TrimNamed(named), pin.Digest)
	if err != nil {
		return ""
	}
	return c.String()
}
