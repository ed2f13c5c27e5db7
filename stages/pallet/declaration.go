package pallet

import (
	"io/fs"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Pallet is what a pallet's directory declares, as far as a bundle depends on it.
type Pallet struct {
	Dir         string        // as given to Read
	Path        string        // the pallet's name, such as github.com/PlanktoScope/pallet-standard
	Description string        // for users
	Deployments []*Deployment // in the order of their names
}

// Deployment is the use of a package by a pallet. Of a disabled one nothing but its own file is looked at.
type Deployment struct {
	Name     string   // path of its file below deployments, without .deploy.yml
	Package  *Package // nil if the deployment is disabled
	Features []string // of the package, in the order of the file
	Disabled bool     // it is no part of the bundle

	file file
}

// Package is what a package's directory declares.
type Package struct {
	Path       string             `yaml:"-"`          // in the pallet, such as /packages/host/banner
	Deployment Feature            `yaml:"deployment"` // what every deployment brings
	Features   map[string]Feature `yaml:"features"`

	file file
}

// Feature is what a deployment brings: always, or with one of the package's features.
type Feature struct {
	ComposeFiles []string `yaml:"compose-files"` // relative to the package
	Provides     struct {
		FileExports []FileExport `yaml:"file-exports"`
	} `yaml:"provides"`
}

// FileExport is a file, a symlink or a directory with all below it that a deployment puts into the bundle's exports.
type FileExport struct {
	SourceType  string      `yaml:"source-type"` // local if it is empty
	Source      string      `yaml:"source"`      // relative to the package; the target if it is empty
	URL         string      `yaml:"url"`         // of a download
	Permissions Permissions `yaml:"permissions"` // of a regular file; as the source is executable if it is 0
	Target      string      `yaml:"target"`      // relative to the bundle's exports
}

// Permissions are the permissions of a file: 0 to 0777.
type Permissions fs.FileMode

// UnmarshalYAML reads a number, which with a leading 0 is an octal one. Text is refused: as a number it would mean
// something else.
func (p *Permissions) UnmarshalYAML(node ast.Node) error {
	number, ok := node.(*ast.IntegerNode)
	if !ok {
		return &yaml.SyntaxError{Token: node.GetToken(), Message: "permissions are a number such as 0644, not quoted"}
	}
	value, ok := number.Value.(uint64)
	if !ok || value > uint64(fs.ModePerm) {
		return &yaml.SyntaxError{Token: node.GetToken(), Message: "permissions are 0 to 0777"}
	}
	*p = Permissions(value)
	return nil
}

// palletDeclaration is the content of forklift-pallet.yml.
type palletDeclaration struct {
	ForkliftVersion string `yaml:"forklift-version"`
	Pallet          struct {
		Path        string `yaml:"path"`
		Description string `yaml:"description"`
	} `yaml:"pallet"`
}

// deploymentDeclaration is the content of a deployment's file, and what a bundle's manifest keeps of it.
type deploymentDeclaration struct {
	Package  string   `yaml:"package"`
	Features []string `yaml:"features,omitempty"`
	Disabled bool     `yaml:"disabled,omitempty"`
}
