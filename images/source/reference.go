package source

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"
)

// Reference is the name of a container image, and where to get it if not from the registry in the name.
type Reference struct {
	Name string // as in compose files, such as caddy:2.8
	// From is the source: oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], dir:DIRECTORY, or
	// docker://NAME for a registry. Empty: the registry of the name.
	From string
}

// Pinned is an image reference together with the digest that the image must have.
type Pinned struct {
	Reference
	Digest digest.Digest // of the manifest or the index
}

// localTransports parse references to directories and archives.
var localTransports = map[string]func(string) (types.ImageReference, error){
	"oci":            layout.ParseReference,
	"oci-archive":    ociarchive.ParseReference,
	"docker-archive": dockerarchive.ParseReference,
	"dir":            directory.NewReference,
}

// String returns the name of the image, followed by its source unless that is the registry in the name.
func (r Reference) String() string {
	if r.From == "" {
		return r.Name
	}
	return fmt.Sprintf("%s (%s)", r.Name, r.From)
}

// IsLocal reports whether the image comes from a local directory or archive instead of a registry.
func (r Reference) IsLocal() bool { return r.From != "" && !strings.HasPrefix(r.From, "docker:") }

// localReference returns a reference to a file or a directory, relative to dir, or nil for an image in a registry.
func (r Reference) localReference(dir string) (types.ImageReference, error) {
	transport, rest, ok := strings.Cut(r.From, ":")
	switch {
	case !r.IsLocal():
		return nil, nil
	case !ok || localTransports[transport] == nil:
		return nil, fmt.Errorf("%q is not the source of an image; write oci:DIRECTORY, oci-archive:FILE, docker-archive:FILE or dir:DIRECTORY", r.From)
	}
	if !filepath.IsAbs(rest) {
		rest = filepath.Join(dir, rest)
	}
	return localTransports[transport](rest)
}

// named returns the name in a registry. A digest, that of the name or a given one, replaces the tag.
func (r Reference) named(d digest.Digest) (reference.Named, error) {
	name := r.Name
	if rest, ok := strings.CutPrefix(r.From, "docker://"); ok {
		name = rest
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not an image name: %w", name, err)
	}
	if has, ok := named.(reference.Digested); ok && d == "" {
		d = has.Digest()
	}
	if d != "" {
		return reference.WithDigest(reference.TrimNamed(named), d)
	}
	return reference.TagNameOnly(named), nil
}

// fullName returns the name with the parts that Docker adds: docker.io/library/caddy:latest for caddy.
func (r Reference) fullName() (string, error) {
	named, err := reference.ParseNormalizedNamed(r.Name)
	if err != nil {
		return "", fmt.Errorf("%q is not an image name: %w", r.Name, err)
	}
	return reference.TagNameOnly(named).String(), nil
}
