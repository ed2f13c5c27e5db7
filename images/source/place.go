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

// place is one of those where an image may be.
type place struct {
	name  string          // for messages
	at    reference.Named // in a registry
	ref   types.ImageReference
	sys   *types.SystemContext
	local bool
	last  bool // there is no other
}

// places are where an image may be, the first to ask first: mirrors, then the registry itself.
//
// The library goes from one to the next by itself, but only where a server says that it fails: one that stalls, or sends
// something else, it believes. So each place is given to it as the only one, in a registries.conf in the directory tmp.
func (r Reference) places(sys *types.SystemContext, dir, tmp string, d digest.Digest) ([]place, error) {
	if ref, err := r.localReference(dir); err != nil || ref != nil {
		return []place{{name: r.From, ref: ref, sys: sys, local: true, last: true}}, err
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
		return []place{{name: named.Name(), at: named, ref: ref, sys: sys, last: true}}, nil
	}
	sources, err := registry.PullSourcesFromReference(named)
	if err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	var out []place
	for i, source := range sources {
		only, err := onlyFrom(sys, *registry, source.Endpoint, filepath.Join(tmp, fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		out = append(out, place{
			name: source.Reference.Name(), at: source.Reference, ref: ref, sys: only, last: i == len(sources)-1,
		})
	}
	return out, nil
}

// onlyFrom is the configuration in which a registry is at an endpoint and nowhere else. It is kept in a directory.
func onlyFrom(sys *types.SystemContext, r sysregistriesv2.Registry, at sysregistriesv2.Endpoint, dir string) (*types.SystemContext, error) {
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
