package docker

import (
	"encoding/json"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images"
)

// pulled is where a layer is to be had in a registry.
type pulled struct {
	Digest           digest.Digest // of the blob
	SourceRepository string        // such as docker.io/library/caddy
}

// distribution puts down as what blobs registries know the layers, so that Docker does not fetch or send them again.
func (t *storeWriter) distribution(all []images.Image) {
	const dir = "image/overlay2/distribution"
	found := map[digest.Digest][]pulled{}
	for _, image := range all {
		for _, l := range image.Layers {
			found[l.DiffID] = addPulled(found[l.DiffID], image, l)
		}
	}
	for _, name := range []string{"diffid-by-digest", "v2metadata-by-diffid"} {
		t.directory(dir+"/"+name, 0o755)
		t.directory(dir+"/"+name+"/sha256", 0o755)
	}
	for diff, where := range found {
		for _, p := range where {
			t.file(dir+"/diffid-by-digest/sha256/"+p.Digest.Encoded(), 0o644, diff.String())
		}
		data, err := json.Marshal(where)
		t.errs = append(t.errs, err)
		t.file(dir+"/v2metadata-by-diffid/sha256/"+diff.Encoded(), 0o644, string(data))
	}
}

// addPulled adds the repositories of an image.
func addPulled(to []pulled, image images.Image, l images.Layer) []pulled {
	for _, name := range image.Names {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil || image.Digest == "" {
			continue // repositories has refused the one; no registry knows the other
		}
		if p := (pulled{l.Digest, named.Name()}); !slices.Contains(to, p) {
			to = append(to, p)
		}
	}
	return to
}
