package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
)

// The names of members.
const (
	bundleMember   = "bundle.tar"
	manifestMember = "manifest.json"
	indexMember    = "export.json"
	layerPrefix    = "layers/"
	configPrefix   = "configs/"
	tarSuffix      = ".tar"
	zstdSuffix     = ".tar.zst"
)

// indexVersion is the version of the format.
const indexVersion = 1

// Limits of the input, far above what a device has.
const (
	maxIndex   = 4 << 20 // bytes; parsed, a hostile one takes some hundred megabytes
	maxConfig  = 4 << 20 // bytes, the limit of registries
	maxMembers = 10_000
	maxImages  = 1_000
	maxLayer   = 1 << 40 // bytes
)

// Index is the table of contents of an exported file: the pallet, images, layers and members with their digests.
type Index struct {
	Version  int           `json:"version"`
	Pallet   string        `json:"pallet"`
	Release  string        `json:"release"` // the pallet's version
	Bundle   digest.Digest `json:"bundle"`  // see store.Digest
	Platform string        `json:"platform,omitempty"`
	Images   []Needed      `json:"images"`
	Layers   []Layer       `json:"layers"`  // in the file
	Members  []Member      `json:"members"` // all but the index itself, in order
}

// Needed is a container image that the exported stage needs, with its names.
type Needed struct {
	Image
	Names []string `json:"names"` // full names in the bundle
}

// Layer is a layer of a container image that an exported file contains.
type Layer struct {
	DiffID digest.Digest `json:"diff_id"`
	Size   int64         `json:"size"` // of the uncompressed archive, in bytes
	Member string        `json:"member"`
}

// Member is a file in the archive of an exported stage, with its size and digest.
type Member struct {
	Name   string        `json:"name"`
	Size   int64         `json:"size"` // in bytes
	Digest digest.Digest `json:"sha256"`
}

// parseIndex parses an index and checks its consistency.
func parseIndex(data []byte) (Index, error) {
	var x Index
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return x, fmt.Errorf("parse %s: %w", indexMember, err)
	}
	if x.Version != indexVersion {
		return x, fmt.Errorf("parse %s: version is %d, want %d: a newer pkctl may read it", indexMember, x.Version, indexVersion)
	}
	if err := x.check(); err != nil {
		return x, fmt.Errorf("%s: %w", indexMember, err)
	}
	return x, nil
}

func (x Index) check() error {
	if len(x.Images) > maxImages {
		return fmt.Errorf("file has %d images: at most %d are allowed", len(x.Images), maxImages)
	}
	if err := valid(x.Bundle); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	needed := map[digest.Digest]bool{}
	for _, i := range x.Images {
		if err := i.check(); err != nil {
			return err
		}
		for _, l := range i.Layers {
			needed[l] = true
		}
	}
	known := map[string]bool{bundleMember: true, manifestMember: true}
	for _, i := range x.Images {
		known[configMember(i.ID)] = true
	}
	seen := map[digest.Digest]bool{}
	for _, l := range x.Layers {
		if err := l.check(); err != nil {
			return err
		}
		if seen[l.DiffID] || !needed[l.DiffID] {
			return fmt.Errorf("layer %s is listed twice, or belongs to no image", l.DiffID)
		}
		seen[l.DiffID], known[l.Member] = true, true
	}
	return x.checkMembers(known)
}

func (x Index) checkMembers(known map[string]bool) error {
	for _, m := range x.Members {
		if err := valid(m.Digest); err != nil {
			return fmt.Errorf("member %q: %w", m.Name, err)
		}
		if !known[m.Name] {
			return fmt.Errorf("member %q is listed twice, or not used", m.Name)
		}
		delete(known, m.Name)
		if config, ok := strings.CutPrefix(m.Name, configPrefix); ok && config != m.Digest.Encoded()+".json" {
			return fmt.Errorf("member %s has another digest than its name", m.Name)
		}
	}
	for name := range known { // the configuration of an image that the other device has may be left out
		if !strings.HasPrefix(name, configPrefix) {
			return fmt.Errorf("file lacks the member %s", name)
		}
	}
	return nil
}

func (l Layer) check() error {
	if err := valid(l.DiffID); err != nil {
		return err
	}
	if l.Size < 0 || l.Size > maxLayer {
		return fmt.Errorf("layer %s has the invalid size of %d bytes", l.DiffID, l.Size)
	}
	if l.Member != layerMember(l.DiffID, tarSuffix) && l.Member != layerMember(l.DiffID, zstdSuffix) {
		return fmt.Errorf("layer %s is in the member %q, which has another name than it should", l.DiffID, l.Member)
	}
	return nil
}

func (n Needed) check() error {
	if err := n.Image.check(); err != nil {
		return err
	}
	if len(n.Names) == 0 {
		return fmt.Errorf("image %s has no name", n.ID)
	}
	var errs []error
	for _, name := range n.Names {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil || named.String() != name || reference.IsNameOnly(named) {
			errs = append(errs, fmt.Errorf("%.100q is not a full image name", name))
		}
	}
	return errors.Join(errs...)
}

func layerMember(d digest.Digest, suffix string) string { return layerPrefix + d.Encoded() + suffix }

func configMember(d digest.Digest) string { return configPrefix + d.Encoded() + ".json" }

// member returns the member with a name, and whether it exists.
func (x Index) member(name string) (Member, bool) {
	for _, m := range x.Members {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

// loadEntry is an image in the manifest.json of `docker load`.
type loadEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// tag returns the tagged name that `docker load` gives to an image with a name in a bundle; empty if that has a digest
// only.
func tag(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	tagged, ok := named.(reference.Tagged)
	if !ok {
		return ""
	}
	return reference.TrimNamed(named).String() + ":" + tagged.Tag()
}

// pinned reports whether a name has a digest.
func pinned(name string) bool { return strings.Contains(name, "@") }

// digestOf returns the digest in a name; empty if it has none.
func digestOf(name string) digest.Digest {
	if named, err := reference.ParseNormalizedNamed(name); err == nil {
		if c, ok := named.(reference.Canonical); ok {
			return c.Digest()
		}
	}
	return ""
}
