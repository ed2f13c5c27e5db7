package source

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// endpoint is a registry, a mirror, a directory or an archive that may have an image.
type endpoint struct {
	name      string          // for messages
	at        reference.Named // the image's name in this registry or mirror
	ref       types.ImageReference
	sys       *types.SystemContext
	insecure  bool   // TLS certificates are not verified, and HTTP is tried
	namespace string // value of the query parameter ns; empty: none
	local     bool   // a directory or an archive
	last      bool   // no other endpoint follows
}

// endpoints returns where an image may be, in the order in which to try: mirrors, then the registry itself.
//
// The library goes from one mirror to the next by itself, but only when a server reports an error, not when it stalls or
// sends wrong content. So the library gets each endpoint as the only one, in a registries.conf written to tmp.
func (r Reference) endpoints(sys *types.SystemContext, dir, tmp string, d digest.Digest) ([]endpoint, error) {
	if ref, err := r.localReference(dir); err != nil || ref != nil {
		return []endpoint{{name: r.From, ref: ref, sys: sys, local: true, last: true}}, err
	}
	named, err := r.named(d)
	if err != nil {
		return nil, err
	}
	ref, err := docker.NewReference(named)
	if err != nil {
		return nil, err
	}
	registry, err := sysregistriesv2.FindRegistry(sys, named.Name())
	if err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	if registry == nil {
		return []endpoint{{name: named.Name(), at: named, ref: ref, sys: sys, last: true}}, nil
	}
	sources, err := registry.PullSourcesFromReference(named)
	if err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	var out []endpoint
	for i, source := range sources {
		only, err := onlyEndpoint(sys, *registry, source.Endpoint, filepath.Join(tmp, fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		out = append(out, endpoint{
			name: source.Reference.Name(), at: source.Reference, ref: ref, sys: only,
			insecure: source.Endpoint.Insecure, namespace: source.Endpoint.NamespaceProxy, last: i == len(sources)-1,
		})
	}
	return out, nil
}

// onlyEndpoint returns a configuration in which a registry has a single endpoint. Its registries.conf lies in dir.
func onlyEndpoint(sys *types.SystemContext, r sysregistriesv2.Registry, at sysregistriesv2.Endpoint, dir string) (*types.SystemContext, error) {
	helpers, err := sysregistriesv2.CredentialHelpers(sys)
	if err != nil {
		return nil, err
	}
	at.PullFromMirror = ""
	r.Endpoint, r.Mirrors, r.MirrorByDigestOnly = at, nil, false
	data, err := toml.Marshal(struct {
		Helpers    []string                   `toml:"credential-helpers"`
		Registries []sysregistriesv2.Registry `toml:"registry"`
	}{helpers, []sysregistriesv2.Registry{r}})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	only := types.SystemContext{}
	if sys != nil {
		only = *sys
	}
	only.SystemRegistriesConfPath = filepath.Join(dir, "registries.conf")
	only.SystemRegistriesConfDirPath = filepath.Join(dir, "registries.conf.d")
	return &only, os.WriteFile(only.SystemRegistriesConfPath, data, 0o644)
}
