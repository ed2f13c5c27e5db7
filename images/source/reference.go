package source

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/PlanktoScope/pkbuild/layers"
)

// Reference is a name for an image, and where it is.
type Reference struct {
	Name string // as compose files write it, such as caddy:2.8
	// From is where it is taken from: oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] or
	// dir:DIRECTORY, or docker://NAME for a registry. Empty: from the registry of its name.
	From string
}

// Pinned is a reference that was resolved.
type Pinned struct {
	Reference
	Digest digest.Digest // of its manifest, or of the index of its manifests
}

// local are the transports that read files.
var local = map[string]func(string) (types.ImageReference, error){
	"oci":            layout.ParseReference,
	"oci-archive":    ociarchive.ParseReference,
	"docker-archive": dockerarchive.ParseReference,
	"dir":            directory.NewReference,
}

// String is where the image comes from.
func (r Reference) String() string {
	if r.From == "" {
		return r.Name
	}
	return fmt.Sprintf("%s (%s)", r.Name, r.From)
}

// localReference reads a reference to a file or directory, relative to dir; nil for one to a registry.
func (r Reference) localReference(dir string) (types.ImageReference, error) {
	transport, rest, ok := strings.Cut(r.From, ":")
	switch {
	case r.From == "" || transport == "docker":
		return nil, nil
	case !ok || local[transport] == nil:
		return nil, fmt.Errorf("%q is no place of an image; write oci:DIRECTORY, oci-archive:FILE, docker-archive:FILE or dir:DIRECTORY", r.From)
	}
	return local[transport](layers.Locate(dir, rest))
}

// named reads a reference to a registry, without its tag where it has a digest or one is given.
func (r Reference) named(d digest.Digest) (reference.Named, error) {
	name := r.Name
	if rest, ok := strings.CutPrefix(r.From, "docker://"); ok {
		name = rest
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no name of an image: %w", name, err)
	}
	if has, ok := named.(reference.Digested); ok && d == "" {
		d = has.Digest()
	}
	if d != "" {
		return reference.WithDigest(reference.TrimNamed(named), d)
	}
	return reference.TagNameOnly(named), nil
}

// fullName is the name with all that Docker adds to it: of caddy docker.io/library/caddy:latest.
func (r Reference) fullName() (string, error) {
	named, err := reference.ParseNormalizedNamed(r.Name)
	if err != nil {
		return "", fmt.Errorf("%q is no name of an image: %w", r.Name, err)
	}
	return reference.TagNameOnly(named).String(), nil
}
