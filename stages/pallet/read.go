package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
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
	r := reader{root: root, packages: map[string]*Package{}}
	p := r.pallet()
	if err := errors.Join(append(r.mistakes, root.Close())...); err != nil {
		return nil, err
	}
	return p, nil
}

// reader reads one pallet and gathers its mistakes.
type reader struct {
	root     *os.Root
	packages map[string]*Package // by path in the pallet
	mistakes []error
}

// mistake notes a mistake once: a package that is deployed twice has none twice.
func (r *reader) mistake(err error) {
	same := func(other error) bool { return other.Error() == err.Error() }
	if !slices.ContainsFunc(r.mistakes, same) {
		r.mistakes = append(r.mistakes, err)
	}
}

func (r *reader) pallet() *Pallet {
	var declared palletDeclaration
	f, err := readFile(r.root, palletFile, &declared)
	if err != nil {
		r.mistake(err)
		return nil
	}
	r.version(f, declared.ForkliftVersion)
	if declared.Pallet.Path == "" {
		r.mistake(f.errorf("the pallet has no path", "pallet", "path"))
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
	switch {
	case !semver.IsValid(version):
		r.mistake(f.errorf(fmt.Sprintf("forklift-version %q is not a version such as %s", version, minVersion),
			"forklift-version"))
	case semver.Compare(version, minVersion) < 0:
		r.mistake(f.errorf(fmt.Sprintf("forklift-version %s is older than %s", version, minVersion), "forklift-version"))
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
		r.mistake(err)
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
			r.mistake(fmt.Errorf("%s: this pallet requires pallet %s, and this version cannot layer pallets yet",
				r.name(name), required))
		}
	}
}
