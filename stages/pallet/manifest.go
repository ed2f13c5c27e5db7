package pallet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/PlanktoScope/pkbuild/stages/pallet/compose"
)

// Manifest is the manifest file of a bundle, in Forklift's format: the pallet, its imports, deployments, downloads and
// exports.
type Manifest struct {
	ForkliftVersion string                           `yaml:"forklift-version"`
	Pallet          ManifestPallet                   `yaml:"pallet"`
	Includes        ManifestIncludes                 `yaml:"includes,omitempty"`
	Imports         map[string][]string              `yaml:"imports,omitempty"` // provenance of each imported file
	Deploys         map[string]deploymentDeclaration `yaml:"deploys,omitempty"`
	Downloads       map[string]ManifestDownloads     `yaml:"downloads,omitempty"` // by deployment
	Exports         map[string]ManifestExports       `yaml:"exports,omitempty"`   // by deployment
}

// ManifestPallet is the pallet of a bundle in the manifest: path, version, commit and description.
type ManifestPallet struct {
	Path        string `yaml:"path"`
	Version     string `yaml:"version"`
	Clean       bool   `yaml:"clean"`
	Commit      string `yaml:"commit,omitempty"` // not in Forklift's format
	Description string `yaml:"description,omitempty"`
}

// ManifestIncludes lists the required pallets and repositories in a bundle's manifest.
type ManifestIncludes struct {
	Pallets      map[string]ManifestInclusion `yaml:"pallets,omitempty"`
	Repositories map[string]ManifestInclusion `yaml:"repositories,omitempty"`
}

// ManifestInclusion is a required pallet or repository in a bundle's manifest, with its locked version.
type ManifestInclusion struct {
	VersionLock Lock                         `yaml:"version-lock"`
	Override    ManifestOverride             `yaml:"override,omitempty"`
	Includes    map[string]ManifestInclusion `yaml:"includes,omitempty"`
	Imports     map[string]map[string]string `yaml:"imports,omitempty"` // by import group: sources by target
}

// ManifestOverride is a directory that Forklift used in place of the required version. This package writes none.
type ManifestOverride struct {
	Path    string `yaml:"path"`
	Version string `yaml:"version"`
	Clean   bool   `yaml:"clean"`
}

// ManifestDownloads lists, for one deployment in a manifest, the downloaded files and container images.
type ManifestDownloads struct {
	HTTP     []string `yaml:"http,omitempty"`
	OCIImage []string `yaml:"oci-image,omitempty"`
}

// UnmarshalYAML also accepts a plain list, which bundles in Forklift's formats before v0.8.0-alpha.6 have. The list becomes
// OCIImage, since it does not distinguish files from images.
func (m *ManifestDownloads) UnmarshalYAML(node *yaml.Node) error {
	type plain ManifestDownloads
	return decodeEither(node, &m.OCIImage, (*plain)(m))
}

// ManifestExports lists, for one deployment in a manifest, the exported files and the Compose app.
type ManifestExports struct {
	File       []string     `yaml:"file,omitempty"`
	ComposeApp *compose.App `yaml:"compose-app,omitempty"`
}

// UnmarshalYAML also accepts a plain list, which bundles in Forklift's formats before v0.8.0-alpha.6 have. The list becomes
// File, since these formats list no Compose app.
func (m *ManifestExports) UnmarshalYAML(node *yaml.Node) error {
	type plain ManifestExports
	return decodeEither(node, &m.File, (*plain)(m))
}

// repository is the content of the bundle's packages/forklift-repository.yml, which Forklift requires.
const repository = "forklift-version: " + Version + `
repository:
    path: ""
    description: ""
    readme-file: ""
`

// manifest returns the encoded manifest of the pallet's bundle.
func (b *bundler) manifest(p *Pallet, v *Validation) ([]byte, error) {
	o := b.options
	m := Manifest{
		ForkliftVersion: Version,
		Pallet: ManifestPallet{
			Path: p.Path, Version: o.Version, Clean: o.Clean, Commit: o.Commit, Description: p.Description,
		},
		Includes: ManifestIncludes{
			Pallets: inclusions(p.layered.required, true), Repositories: inclusions(p.layered.repositories, false),
		},
		Imports:   map[string][]string{},
		Deploys:   map[string]deploymentDeclaration{},
		Downloads: map[string]ManifestDownloads{},
		Exports:   map[string]ManifestExports{},
	}
	for name, e := range p.layered.merged.entries {
		if len(e.origin) > 0 {
			m.Imports[name] = e.provenance()
		}
	}
	for _, d := range p.enabled() {
		m.deployment(d, v.Apps[d.Name])
	}
	return m.marshal()
}

// inclusions returns the requirements of a pallet, with the imported files if imports is true.
func inclusions(required []*required, imports bool) map[string]ManifestInclusion {
	all := map[string]ManifestInclusion{}
	for _, req := range required {
		i := ManifestInclusion{VersionLock: req.Lock}
		if imports {
			i.Imports = req.mapped
		}
		if req.tree != nil {
			i.Includes = inclusions(req.tree.required, false)
		}
		all[req.Path] = i
	}
	return all
}

// deployment adds the entries of a deployment with its Compose app, which may be nil.
func (m *Manifest) deployment(d *Deployment, app *compose.App) {
	m.Deploys[d.Name] = deploymentDeclaration{Package: d.Package.Path, Features: d.Features}
	exports := ManifestExports{File: d.targets()}
	downloads := ManifestDownloads{
		HTTP: d.downloads(SourceHTTP, SourceHTTPArchive), OCIImage: d.downloads(SourceOCIImage),
	}
	if app != nil {
		exports.ComposeApp = app
		downloads.OCIImage = union(downloads.OCIImage, app.Images)
	}
	if len(exports.File) > 0 || app != nil {
		m.Exports[d.Name] = exports
	}
	if len(downloads.HTTP)+len(downloads.OCIImage) > 0 {
		m.Downloads[d.Name] = downloads
	}
}

// union returns the elements of two lists, sorted, without duplicates.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func (m *Manifest) marshal() ([]byte, error) {
	var out bytes.Buffer
	w := yaml.NewEncoder(&out) // Forklift's library, for the same bytes
	w.SetIndent(2)
	if err := errors.Join(w.Encode(m), w.Close()); err != nil {
		return nil, fmt.Errorf("encode manifest of pallet %s: %w", m.Pallet.Path, err)
	}
	return out.Bytes(), nil
}

// targets returns the targets of the deployment's exports, without duplicates.
func (d *Deployment) targets() []string {
	var targets []string
	for _, e := range d.exports() {
		targets = append(targets, e.Target)
	}
	return slices.Compact(targets)
}
