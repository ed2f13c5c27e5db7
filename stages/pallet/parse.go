package pallet

import (
	"errors"
	"fmt"

	"golang.org/x/mod/semver"
	"gopkg.in/yaml.v3"
)

// minBundleVersion is the oldest bundle version that Forklift reads.
const minBundleVersion = "v0.7.0"

// maxManifest is the greatest size of a manifest in bytes. That of a pallet with a thousand exports has about 100 kB.
const maxManifest = 4 << 20

// ParseManifest parses the manifest of a bundle that Forklift or this package wrote. It fails for a format version that is
// older or newer than those that this package reads.
func ParseManifest(data []byte) (Manifest, error) {
	if len(data) > maxManifest {
		return Manifest{}, fmt.Errorf("%s: file has more than %d bytes", ManifestFile, maxManifest)
	}
	m, err := decodeManifest(data)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	switch v := m.ForkliftVersion; {
	case !semver.IsValid(v):
		err = fmt.Errorf("%s: forklift-version %q is not a version such as %s", ManifestFile, v, Version)
	case semver.Compare(v, minBundleVersion) < 0:
		err = fmt.Errorf("%s: forklift-version %s is older than %s", ManifestFile, v, minBundleVersion)
	case semver.Compare(semver.MajorMinor(v), maxSeries) > 0:
		err = fmt.Errorf("%s: forklift-version %s is newer than %s", ManifestFile, v, maxSeries)
	}
	return m, err
}

// decodeManifest uses the library that also encodes manifests: it is fast with large files and limits aliases.
func decodeManifest(data []byte) (m Manifest, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("YAML parser panicked")
		}
	}()
	return m, yaml.Unmarshal(data, &m)
}

// decodeEither decodes a sequence into list and any other node into other.
func decodeEither(node *yaml.Node, list *[]string, other any) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode(list)
	}
	return node.Decode(other)
}
