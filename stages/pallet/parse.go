package pallet

import (
	"errors"
	"fmt"

	"golang.org/x/mod/semver"
	"gopkg.in/yaml.v3"
)

// minBundleVersion is the oldest version of bundles that Forklift still reads.
const minBundleVersion = "v0.7.0"

// maxManifest is the size in bytes of the largest manifest that is read: that of a pallet with a thousand exports has
// some 100 kB.
const maxManifest = 4 << 20

// ParseManifest reads the manifest of a bundle of Forklift's or of ours.
func ParseManifest(data []byte) (Manifest, error) {
	if len(data) > maxManifest {
		return Manifest{}, fmt.Errorf("%s: it has more than %d bytes", ManifestFile, maxManifest)
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

// decodeManifest uses the library that writes manifests: it is fast with large files, and limits aliases itself.
func decodeManifest(data []byte) (m Manifest, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it cannot be parsed")
		}
	}()
	return m, yaml.Unmarshal(data, &m)
}

// eitherList decodes a list into one value, and all else into another.
func eitherList(node *yaml.Node, list *[]string, other any) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode(list)
	}
	return node.Decode(other)
}
