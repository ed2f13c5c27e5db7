package store

import (
	"fmt"
	"io/fs"

	"github.com/goccy/go-yaml"

	"github.com/PlanktoScope/pkbuild/stages"
)

// Manifest holds the fields of a bundle's manifest that identify its pallet: path, version, commit. Package pallet has
// the whole manifest.
type Manifest struct {
	ForkliftVersion string `yaml:"forklift-version" json:"forklift_version"`
	Pallet          struct {
		Path        string `yaml:"path" json:"path"`
		Version     string `yaml:"version" json:"version"`
		Clean       bool   `yaml:"clean" json:"clean"`             // the Git tree had no uncommitted changes
		Commit      string `yaml:"commit" json:"commit,omitempty"` // 40 hexadecimal digits; Forklift records none
		Description string `yaml:"description" json:"description"`
	} `yaml:"pallet" json:"pallet"`
}

// ReadManifest reads the manifest of a bundle, given as the file system of its directory. The error is fs.ErrNotExist if the
// bundle has no manifest and so is incomplete.
func ReadManifest(bundle fs.FS) (Manifest, error) {
	var m Manifest
	data, err := fs.ReadFile(bundle, stages.ManifestFile)
	if err != nil {
		return m, err
	}
	if err := yaml.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("parse %s: %s", stages.ManifestFile, yaml.FormatError(err, false, false))
	}
	return m, nil
}
