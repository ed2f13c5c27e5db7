package images

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
)

// PinFile is the name of the file in a bundle that holds its Pins. It is not part of the bundle's digest, since the images
// are known only once they were pulled or loaded.
const PinFile = "pins.json"

// pinVersion is the version of the format of a PinFile.
const pinVersion = 1

// Pins say which container images the names in a bundle's Compose files mean. They are recorded when the bundle is staged
// and never change, so that a moved tag changes no stage. A bundle without pins starts its containers by name.
type Pins struct {
	Version int   `json:"version"`
	Images  []Pin `json:"images"` // sorted by name, each once
}

// Pin is the image ID that the name of a container image means for one stage.
type Pin struct {
	Name   string        `json:"name"`             // normalized, with a tag or a digest
	ID     digest.Digest `json:"id"`               // of the image: the digest of its configuration
	Digest digest.Digest `json:"digest,omitempty"` // of the manifest or index in the registry; empty if the image came in a file
}

// ParsePins parses the content of a PinFile, which records which images a stage uses. It fails for another version of the
// format and for a digest that is not SHA-256.
func ParsePins(data []byte) (p Pins, err error) {
	if err := json.Unmarshal(data, &p); err != nil {
		return Pins{}, fmt.Errorf("parse %s: %w", PinFile, err)
	}
	if p.Version != pinVersion {
		return Pins{}, fmt.Errorf("parse %s: version is %d, want %d", PinFile, p.Version, pinVersion)
	}
	for _, pin := range p.Images {
		err := Valid(pin.ID)
		if pin.Digest != "" {
			err = errors.Join(err, Valid(pin.Digest))
		}
		if err != nil {
			return Pins{}, fmt.Errorf("parse %s: image %q: %w", PinFile, pin.Name, err)
		}
	}
	return p, nil
}

// Marshal encodes the pins as the content of a PinFile.
func (p Pins) Marshal() ([]byte, error) {
	p.Version = pinVersion
	if p.Images == nil {
		p.Images = []Pin{}
	}
	data, err := json.MarshalIndent(p, "", "  ")
	return append(data, '\n'), err
}

// Find returns the pin of an image name, which must be normalized: with its registry and a tag or digest, such as
// docker.io/library/caddy:latest. It returns false if the name has no pin.
func (p Pins) Find(name string) (Pin, bool) {
	i := slices.IndexFunc(p.Images, func(pin Pin) bool { return pin.Name == name })
	if i < 0 {
		return Pin{}, false
	}
	return p.Images[i], true
}

// With returns the pins together with more, sorted by name, and does not change p. An image name that is pinned already
// keeps its pin.
func (p Pins) With(more ...Pin) Pins {
	all := slices.Clone(p.Images)
	for _, pin := range more {
		if _, pinned := (Pins{Images: all}).Find(pin.Name); !pinned {
			all = append(all, pin)
		}
	}
	slices.SortFunc(all, func(a, b Pin) int { return cmp.Compare(a.Name, b.Name) })
	p.Images = all
	return p
}

// ComposeOverride returns a Compose file that makes services start by image ID instead of by image name. ids maps the
// names of services to image IDs; a service that ids lacks stays as it is.
func ComposeOverride(ids map[string]digest.Digest) ([]byte, error) {
	type service struct {
		Image digest.Digest `json:"image"`
	}
	services := map[string]service{}
	for name, id := range ids {
		services[name] = service{id}
	}
	return json.Marshal(map[string]any{"services": services})
}
