package pallet

import (
	"io/fs"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Pallet is a pallet (a versioned directory that says which apps and files a device has) as read from its files, with
// its imports from other pallets and the packages of its deployments.
type Pallet struct {
	Dir         string        // as given to Read
	Path        string        // the pallet's name, such as github.com/PlanktoScope/pallet-standard
	Description string        // for users
	Deployments []*Deployment // sorted by name
	Notes       []string      // notices that are no mistakes, each with its file

	layered *layered
	staged  bool // it was read from a bundle
}

// ForkliftVersion returns the version of Forklift's format that the pallet's file declares.
func (p *Pallet) ForkliftVersion() string { return p.layered.declared.ForkliftVersion }

// Deployment is one use of a package in a pallet, with the features that it enables. Of a disabled deployment only its
// own file is read.
type Deployment struct {
	Name     string   // path of its file below deployments, without .deploy.yml
	Package  *Package // nil if the deployment is disabled
	Features []string // enabled features of the package, in the order of the file
	Disabled bool     // a disabled deployment is left out of the bundle

	declared string // path of the package, as in the file
	file     *file
}

// Package is a part of a pallet that can be deployed: files and Compose apps, with optional features and resources.
type Package struct {
	Path        string // as in deployments: /packages/host/banner in the pallet itself, else REPOSITORY/DIRECTORY
	Information Information
	Host        Feature            // resources that the host has wherever the package is deployed
	Deployment  Feature            // resources and compose files of every deployment
	Features    map[string]Feature // optional ones, which a deployment enables by name

	file *file
	view *view  // that contains the package
	dir  string // in the view
}

// packageDeclaration is the content of forklift-package.yml.
type packageDeclaration struct {
	Package    Information        `yaml:"package"`
	Host       Feature            `yaml:"host"`
	Deployment Feature            `yaml:"deployment"`
	Features   map[string]Feature `yaml:"features"`
}

// Information is the description, license and maintainers of a package.
type Information struct {
	Description string       `yaml:"description" json:"description,omitempty"`
	Maintainers []Maintainer `yaml:"maintainers" json:"maintainers,omitempty"`
	License     string       `yaml:"license" json:"license,omitempty"`
	LicenseFile string       `yaml:"license-file" json:"licenseFile,omitempty"`
	Sources     []string     `yaml:"sources" json:"sources,omitempty"`
}

// Maintainer is the name and e-mail address of a package's maintainer.
type Maintainer struct {
	Name  string `yaml:"name" json:"name,omitempty"`
	Email string `yaml:"email" json:"email,omitempty"`
}

// Feature is one part of a package: its compose files with the resources that it requires and provides. Package has one for
// the host, one for every deployment, and optional ones that a deployment enables by name.
type Feature struct {
	Description  string    `yaml:"description"`
	ComposeFiles []string  `yaml:"compose-files"` // relative to the package
	Tags         []string  `yaml:"tags"`
	Requires     Resources `yaml:"requires"`
	Provides     Resources `yaml:"provides"`
}

// Resources lists the resources that a package requires or provides, by kind.
type Resources struct {
	Listeners   []Resource   `yaml:"listeners"`
	Networks    []Resource   `yaml:"networks"`
	Services    []Resource   `yaml:"services"`
	Filesets    []Resource   `yaml:"filesets"`
	FileExports []FileExport `yaml:"file-exports"`
}

// Resource is a listener, a network, a service or a fileset that a package requires or provides. Each kind uses some of
// the fields.
type Resource struct {
	Description string   `yaml:"description"`
	Port        int      `yaml:"port"`
	Protocol    string   `yaml:"protocol"`
	Name        string   `yaml:"name"`
	Tags        []string `yaml:"tags"`
	Paths       []string `yaml:"paths"`
	Nonblocking bool     `yaml:"nonblocking"`
}

// FileExport is a file, a symlink or a directory tree that a deployment adds to /etc or /usr of the device.
type FileExport struct {
	Description string      `yaml:"description"`
	SourceType  string      `yaml:"source-type"` // "" means local
	Source      string      `yaml:"source"`      // in the package or the download; "" means the target
	URL         string      `yaml:"url"`         // of a download
	Checksum    string      `yaml:"checksum"`    // of a download, such as sha256:…; Forklift ignores it
	Permissions Permissions `yaml:"permissions"` // of a regular file; 0 means 0755 or 0644 by the source's execute bit
	Target      string      `yaml:"target"`      // relative to the bundle's exports
}

// Permissions are the permission bits of an exported file: 0 to 0777.
type Permissions fs.FileMode

// UnmarshalYAML decodes an unquoted integer, in octal if it has a leading 0, such as 0644. It fails for a quoted number and
// for a value above 0777.
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

// palletDeclaration is the content of forklift-pallet.yml or forklift-repository.yml.
type palletDeclaration struct {
	ForkliftVersion string      `yaml:"forklift-version"`
	Pallet          description `yaml:"pallet"`
	Repository      description `yaml:"repository,omitempty"`
}

// description is the metadata of a pallet or a repository.
type description struct {
	Path        string `yaml:"path"`
	Description string `yaml:"description,omitempty"`
	ReadmeFile  string `yaml:"readme-file,omitempty"`
}

// deploymentDeclaration is the content of a deployment's file, and its entry in a bundle's manifest.
type deploymentDeclaration struct {
	Package  string   `yaml:"package"`
	Features []string `yaml:"features,omitempty"`
	Disabled bool     `yaml:"disabled,omitempty"`
}

// importDeclaration is the content of an import group, or of a feature that a pallet offers to other pallets.
type importDeclaration struct {
	Description string     `yaml:"description"`
	Modifiers   []modifier `yaml:"modifiers"`
	Disabled    bool       `yaml:"disabled"`
	Deprecated  string     `yaml:"deprecated"`
}

// modifier adds files to an import group or removes some.
type modifier struct {
	Type            string   `yaml:"type"`
	Source          string   `yaml:"source"`
	Target          string   `yaml:"target"`
	OnlyMatchingAny []string `yaml:"only-matching-any"`
}
