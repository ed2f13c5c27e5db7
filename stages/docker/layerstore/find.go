package layerstore

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images"
)

// Find returns the image that a name means in Docker's table of names on the disk, also where the image itself is damaged.
// found is false if the table does not have the name or cannot be read.
func (s Store) Find(name string) (pin images.Pin, found bool) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return pin, false
	}
	data, err := os.ReadFile(s.path("repositories.json"))
	if err != nil {
		return pin, false
	}
	var table struct {
		Repositories map[string]map[string]digest.Digest // image IDs by name, by repository
	}
	if json.Unmarshal(data, &table) != nil {
		return pin, false
	}
	names := table.Repositories[reference.FamiliarName(named)]
	pin = images.Pin{Name: name, ID: names[reference.FamiliarString(reference.TagNameOnly(named))]}
	if images.Valid(pin.ID) != nil {
		return pin, false
	}
	for other, id := range names {
		if _, text, digested := strings.Cut(other, "@"); digested && id == pin.ID && images.Valid(digest.Digest(text)) == nil {
			pin.Digest = digest.Digest(text)
		}
	}
	return pin, true
}
