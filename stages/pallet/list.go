package pallet

import (
	"context"
	"path"
	"slices"
	"strings"
)

// DeploymentNames are the names of all deployments, also of those that are disabled. As in Forklift, of what lies in a
// directory the files come before the directories.
func (p *Pallet) DeploymentNames() []string {
	var names []string
	for _, d := range p.Deployments {
		names = append(names, d.Name)
	}
	slices.SortFunc(names, filesFirst)
	return names
}

// FeatureNames are the names of the features that the pallet offers to others, in the same order.
func (p *Pallet) FeatureNames() []string {
	names := p.layered.featureNames()
	slices.SortFunc(names, filesFirst)
	return names
}

// filesFirst compares paths of files by the order in which directories are listed that come after the files.
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

// PackagePaths are the paths of the packages that the pallet has itself, and of those of others that are deployed.
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

// Files are the paths of all files, with those from required pallets.
func (p *Pallet) Files() []string {
	return slices.Collect(p.layered.merged.files("."))
}

// Origin is where an imported file is from, pallet after pallet; nil if it is the pallet's own.
func (p *Pallet) Origin(file string) []string {
	return p.layered.merged.entries[file].provenance()
}

// Location is where a file of the pallet lies.
func (p *Pallet) Location(file string) string { return p.layered.merged.located(file) }

// Downloads are what exports of enabled deployments download: files, then images.
func (p *Pallet) Downloads() []string {
	var files, images []string
	for _, d := range p.enabled() {
		files = union(files, d.downloads(SourceHTTP, SourceHTTPArchive))
		images = union(images, d.downloads(SourceOCIImage))
	}
	return append(files, images...)
}

// Images are the container images that the Compose apps of enabled deployments need.
func (p *Pallet) Images(ctx context.Context) ([]string, error) {
	apps, err := p.Apps(ctx)
	var all []string
	for _, app := range apps {
		all = union(all, app.Images)
	}
	return all, err
}

// Requirements are the pallets and the repositories that the pallet requires itself.
func (p *Pallet) Requirements() (pallets, repositories []Requirement) {
	for _, req := range p.layered.required {
		pallets = append(pallets, req.Requirement)
	}
	for _, req := range p.layered.repositories {
		repositories = append(repositories, req.Requirement)
	}
	return pallets, repositories
}
