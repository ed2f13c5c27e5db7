package pallet

import (
	"context"
	"path"
	"slices"
	"strings"
)

// DeploymentNames returns the names of all deployments, disabled ones included, sorted as by Forklift: in a directory
// files come before directories.
func (p *Pallet) DeploymentNames() []string {
	var names []string
	for _, d := range p.Deployments {
		names = append(names, d.Name)
	}
	slices.SortFunc(names, filesFirst)
	return names
}

// FeatureNames returns the names of the features that the pallet offers to pallets that import from it, sorted as
// DeploymentNames.
func (p *Pallet) FeatureNames() []string {
	names := p.layered.featureNames()
	slices.SortFunc(names, filesFirst)
	return names
}

// filesFirst compares file paths so that in each directory files come before directories.
func filesFirst(a, b string) int {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := 0; i < len(as) && i < len(bs); i++ {
		aFile, bFile := i == len(as)-1, i == len(bs)-1
		switch {
		case aFile && !bFile:
			return -1
		case bFile && !aFile:
			return 1
		case as[i] != bs[i]:
			return strings.Compare(as[i], bs[i])
		}
	}
	return len(as) - len(bs)
}

// PackagePaths returns the paths of the pallet's own packages, and of the deployed packages of repositories.
func (p *Pallet) PackagePaths() []string {
	var paths []string
	for name := range p.layered.merged.files(".") {
		if path.Base(name) == packageFile {
			paths = append(paths, "/"+path.Dir(name))
		}
	}
	for _, d := range p.enabled() {
		if !strings.HasPrefix(d.Package.Path, "/") {
			paths = append(paths, d.Package.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Files returns the sorted paths of all files and symlinks of the pallet, imported ones included, relative to the pallet.
func (p *Pallet) Files() []string {
	return slices.Collect(p.layered.merged.files("."))
}

// Origin returns the chain of an imported file's sources, PALLET@VERSION/FILE each, the original last; nil for a file of
// the pallet itself.
func (p *Pallet) Origin(file string) []string {
	return p.layered.merged.entries[file].provenance()
}

// Location returns the path in the file system of a file of the pallet, which may be imported from another pallet's
// directory. For a file that does not exist it returns the path that the file would have.
func (p *Pallet) Location(file string) string { return p.layered.merged.fullPath(file) }

// Downloads returns the URLs of files, then the references of images, that the exports of enabled deployments download.
func (p *Pallet) Downloads() []string {
	var files, images []string
	for _, d := range p.enabled() {
		files = union(files, d.downloads(SourceHTTP, SourceHTTPArchive))
		images = union(images, d.downloads(SourceOCIImage))
	}
	return append(files, images...)
}

// Images returns the container images of the Compose apps of enabled deployments, as the compose files name them, sorted,
// without duplicates. With an error it returns those of the apps that could be loaded.
func (p *Pallet) Images(ctx context.Context) ([]string, error) {
	apps, err := p.Apps(ctx)
	var all []string
	for _, app := range apps {
		all = union(all, app.Images)
	}
	return all, err
}

// Requirements returns the pallets and package repositories that the pallet requires directly, with their locked
// versions.
func (p *Pallet) Requirements() (pallets, repositories []Requirement) {
	for _, req := range p.layered.required {
		pallets = append(pallets, req.Requirement)
	}
	for _, req := range p.layered.repositories {
		repositories = append(repositories, req.Requirement)
	}
	return pallets, repositories
}
