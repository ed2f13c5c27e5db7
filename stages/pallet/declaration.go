package pallet

import (
	"io/fs"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Pallet is a pallet with all that it takes from required pallets, and the packages of its deployments.
type Pallet struct {
	Dir         string        // as given to Read
	Path        string        // the pallet's name, such as github.com/PlanktoScope/pallet-standard
	Description string        // for users
	Deployments []*Deployment // in the order of their names
	Notes       []string      // what is allowed, and yet worth knowing, each with its file

	layered *layered
}

// ForkliftVersion is the version of the format that the pallet is in.
func (p *Pallet) ForkliftVersion() string { return p.layered.declared.ForkliftVersion }

// Deployment is the use of a package by a pallet. Of a disabled one nothing but its own file is looked at.
type Deployment struct {
	Name     string   // path of its file below deployments, without .deploy.yml
	Package  *Package // nil if the deployment is disabled
	Features []string // of the package, in the order of the file
	Disabled bool     // it is no part of the bundle

	declared string // package as the file names it
	file     *file
}

// Package is what a package's directory declares.
type Package struct {
	Path        string // as deployments name it: /packages/host/banner if it is the pallet's own, else with its repository
	Information Information
	Host        Feature            // what the host has anyway, where the package is deployed
	Deployment  Feature            // what every deployment brings
	Features    map[string]Feature // what a deployment may bring, too

	file *file
	view *view  // in which it lies
	dir  string // in the view
}

// packageDeclaration is the content of forklift-package.yml.
type packageDeclaration struct {
	Package    Information        `yaml:"package"`
	Host       Feature            `yaml:"host"`
	Deployment Feature            `yaml:"deployment"`
	Features   map[string]Feature `yaml:"features"`
}

// Information is what a package says of itself to users.
type Information struct {
	Description string       `yaml:"description" json:"description,omitempty"`
	Maintainers []Maintainer `yaml:"maintainers" json:"maintainers,omitempty"`
	License     string       `yaml:"license" json:"license,omitempty"`
	LicenseFile string       `yaml:"license-file" json:"licenseFile,omitempty"`
	Sources     []string     `yaml:"sources" json:"sources,omitempty"`
}

// Maintainer is a person.
type Maintainer struct {
	Name  string `yaml:"name" json:"name,omitempty"`
	Email string `yaml:"email" json:"email,omitempty"`
}

// Feature is what a deployment brings: always, or with one of the package's features.
type Feature struct {
	Description  string    `yaml:"description"`
	ComposeFiles []string  `yaml:"compose-files"` // relative to the package
	Tags         []string  `yaml:"tags"`
	Requires     Resources `yaml:"requires"`
	Provides     Resources `yaml:"provides"`
}

// Resources are what is provided or required.
type Resources struct {
	Listeners   []Resource   `yaml:"listeners"`
	Networks    []Resource   `yaml:"networks"`
	Services    []Resource   `yaml:"services"`
	Filesets    []Resource   `yaml:"filesets"`
	FileExports []FileExport `yaml:"file-exports"`
}

// Resource is a listener, a network, a service or a fileset, each of which has some of these.
type Resource struct {
	Description string   `yaml:"description"`
	Port        int      `yaml:"port"`
	Protocol    string   `yaml:"protocol"`
	Name        string   `yaml:"name"`
	Tags        []string `yaml:"tags"`
	Paths       []string `yaml:"paths"`
	Nonblocking bool     `yaml:"nonblocking"`
}

// FileExport is a file, a symlink or a directory with all below it that a deployment puts into the bundle's exports.
type FileExport struct {
	Description string      `yaml:"description"`
	SourceType  string      `yaml:"source-type"` // local if it is empty
	Source      string      `yaml:"source"`      // in the package or the download; the target if it is empty
	URL         string      `yaml:"url"`         // of a download
	Checksum    string      `yaml:"checksum"`    // of a download, such as sha256:…; Forklift ignores it
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

// palletDeclaration is the content of forklift-pallet.yml, and that of forklift-repository.yml but for its name.
type palletDeclaration struct {
	ForkliftVersion string      `yaml:"forklift-version"`
	Pallet          description `yaml:"pallet"`
	Repository      description `yaml:"repository,omitempty"`
}

// description is what a pallet or a repository says of itself.
type description struct {
	Path        string `yaml:"path"`
	Description string `yaml:"description,omitempty"`
	ReadmeFile  string `yaml:"readme-file,omitempty"`
}

// deploymentDeclaration is the content of a deployment's file, and what a bundle's manifest keeps of it.
type deploymentDeclaration struct {
	Package  string   `yaml:"package"`
	Features []string `yaml:"features,omitempty"`
	Disabled bool     `yaml:"disabled,omitempty"`
}

// importDeclaration is the content of a group of imports or of a feature that a pallet offers to others.
type importDeclaration struct {
	Description string     `yaml:"description"`
	Modifiers   []modifier `yaml:"modifiers"`
	Disabled    bool       `yaml:"disabled"`
	Deprecated  string     `yaml:"deprecated"`
}

// modifier adds files to what is imported, or removes some.
type modifier struct {
	Type            string   `yaml:"type"`
	Source          string   `yaml:"source"`
	Target          string   `yaml:"target"`
	OnlyMatchingAny []string `yaml:"only-matching-any"`
}
