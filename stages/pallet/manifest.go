package pallet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

// manifest is the content of a bundle's manifest.
type manifest struct {
	ForkliftVersion string                           `yaml:"forklift-version"`
	Pallet          manifestPallet                   `yaml:"pallet"`
	Deploys         map[string]deploymentDeclaration `yaml:"deploys,omitempty"`
	Exports         map[string]manifestExports       `yaml:"exports,omitempty"`
}

type manifestPallet struct {
	Path        string `yaml:"path"`
	Version     string `yaml:"version"`
	Clean       bool   `yaml:"clean"`
	Description string `yaml:"description,omitempty"`
}

type manifestExports struct {
	File []string `yaml:"file,omitempty"`
}

// repository is the declaration of the packages in a bundle. They are no repository, but Forklift wants one.
const repository = "forklift-version: " + Version + `
repository:
    path: ""
    description: ""
    readme-file: ""
`

// manifest is the manifest of the pallet's bundle, in YAML.
func (p *Pallet) manifest(options Options) ([]byte, error) {
	m := manifest{
		ForkliftVersion: Version,
		Pallet:          manifestPallet{p.Path, options.Version, options.Clean, p.Description},
		Deploys:         map[string]deploymentDeclaration{},
		Exports:         map[string]manifestExports{},
	}
	for _, d := range p.enabled() {
		m.Deploys[d.Name] = deploymentDeclaration{Package: d.Package.Path, Features: d.Features}
		if targets := d.targets(); len(targets) > 0 {
			m.Exports[d.Name] = manifestExports{File: targets}
		}
	}
	var out bytes.Buffer
	w := yaml.NewEncoder(&out) // Forklift's own library, so that the bytes are Forklift's too
	w.SetIndent(2)
	if err := errors.Join(w.Encode(m), w.Close()); err != nil {
		return nil, fmt.Errorf("write manifest of pallet %s: %w", p.Path, err)
	}
	return out.Bytes(), nil
}

// targets are the targets of the deployment's exports, each once.
func (d *Deployment) targets() []string {
	var targets []string
	for _, e := range d.exports() {
		targets = append(targets, e.Target)
	}
	return slices.Compact(targets)
}
