package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/mod/semver"
)

// The files that make a directory a pallet, a repository, a package or a requirement.
const (
	palletFile      = "forklift-pallet.yml"
	repositoryFile  = "forklift-repository.yml"
	packageFile     = "forklift-package.yml"
	versionLockFile = "forklift-version-lock.yml"
)

// minVersion is the oldest version of the formats that Forklift still reads.
const minVersion = "v0.4.0"

// Read reads the pallet in a directory: its declaration, its deployments and the packages of those that are enabled.
// The error is all mistakes, one a line, each with its file and, where it has one, its place. Nothing is read through
// a symlink that leaves the directory.
func Read(dir string) (*Pallet, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read pallet: %w", err)
	}
	r := reader{root: root}
	p := r.pallet()
	r.mistakes.add(root.Close())
	if err := errors.Join(r.mistakes...); err != nil {
		return nil, err
	}
	return p, nil
}

// reader reads one pallet and gathers its mistakes.
type reader struct {
	root     *os.Root
	mistakes mistakes
}

func (r *reader) pallet() *Pallet {
	var declared palletDeclaration
	f, err := readFile(r.root, palletFile, &declared)
	if err != nil {
		r.mistakes.add(err)
		return nil
	}
	r.version(f, declared.ForkliftVersion)
	if declared.Pallet.Path == "" {
		r.mistakes.add(f.errorf(steps{"pallet", "path"}, "the pallet has no path"))
	}
	r.repository()
	r.layering()
	return &Pallet{
		Dir:         r.root.Name(),
		Path:        declared.Pallet.Path,
		Description: declared.Pallet.Description,
		Deployments: r.deployments(),
	}
}

func (r *reader) version(f file, version string) {
	at := steps{"forklift-version"}
	switch {
	case !semver.IsValid(version):
		r.mistakes.add(f.errorf(at, "forklift-version %q is not a version such as %s", version, minVersion))
	case semver.Compare(version, minVersion) < 0:
		r.mistakes.add(f.errorf(at, "forklift-version %s is older than %s", version, minVersion))
	}
}

// repository reads the declaration by which other pallets know the packages. Forklift does without it, and a bundle
// does not depend on it.
func (r *reader) repository() {
	var declared struct {
		ForkliftVersion string `yaml:"forklift-version"`
	}
	f, err := readFile(r.root, repositoryFile, &declared)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		r.mistakes.add(err)
	default:
		r.version(f, declared.ForkliftVersion)
	}
}

// layering refuses pallets that take files from other pallets: their deployments are not all here.
func (r *reader) layering() {
	const dir = "requirements/pallets"
	for name := range r.files(dir) {
		if path.Base(name) == versionLockFile {
			required := path.Dir(strings.TrimPrefix(name, dir+"/"))
			r.mistakes.add(fmt.Errorf("%s: this pallet requires pallet %s, and this version cannot layer pallets yet",
				located(r.root, name), required))
		}
	}
}
