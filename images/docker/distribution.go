package docker

import (
	"encoding/json"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images"
)

// registryBlob is a blob that a repository of a registry has.
type registryBlob struct {
	Digest           digest.Digest
	SourceRepository string // such as docker.io/library/caddy
}

// distribution writes which blobs of registries the layers are, so that Docker neither pulls nor pushes them again.
func (t *storeWriter) distribution(all []images.Image) {
	const dir = "image/overlay2/distribution"
	found := map[digest.Digest][]registryBlob{}
	for _, image := range all {
		for _, l := range image.Layers {
			found[l.DiffID] = addBlobs(found[l.DiffID], image, l)
		}
	}
	for _, name := range []string{"diffid-by-digest", "v2metadata-by-diffid"} {
		t.directory(dir+"/"+name, 0o755)
		t.directory(dir+"/"+name+"/sha256", 0o755)
	}
	for diff, blobs := range found {
		for _, p := range blobs {
			t.file(dir+"/diffid-by-digest/sha256/"+p.Digest.Encoded(), 0o644, diff.String())
		}
		data, err := json.Marshal(blobs)
		t.errs = append(t.errs, err)
		t.file(dir+"/v2metadata-by-diffid/sha256/"+diff.Encoded(), 0o644, string(data))
	}
}

// addBlobs adds a layer's blob in each repository of an image.
func addBlobs(to []registryBlob, image images.Image, l images.Layer) []registryBlob {
	for _, name := range image.Names {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil || image.Digest == "" {
			continue // an invalid name is an error of repositories; an image without a digest is in no registry
		}
		if p := (registryBlob{l.Digest, named.Name()}); !slices.Contains(to, p) {
			to = append(to, p)
		}
	}
	return to
}
