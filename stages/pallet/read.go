package pallet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// The files that mark a directory as a pallet, a repository, a package or a requirement.
const (
	palletFile      = "forklift-pallet.yml"
	repositoryFile  = "forklift-repository.yml"
	packageFile     = "forklift-package.yml"
	versionLockFile = "forklift-version-lock.yml"
)

// The oldest format version that Forklift reads, and the newest minor version that this package reads.
const (
	minVersion = "v0.4.0"
	maxSeries  = "v0.9"
)

// Reader reads pallets from directories. Its Resolver fetches the pallets that they require.
type Reader struct {
	Resolver          Resolver // nil: a pallet with requirements is an error
	IgnoreToolVersion bool     // accept format versions newer than maxSeries
}

// Read reads the pallet in a directory, with the default options of Reader.
func Read(dir string) (*Pallet, error) { return Reader{}.Read(context.Background(), dir) }

// Read reads the pallet in a directory: its declaration, its imports from required pallets, its deployments, and the
// packages of the enabled ones. The error joins all mistakes, one per line, each with its file and position. Symlinks out
// of the directory are not followed.
func (r Reader) Read(ctx context.Context, dir string) (*Pallet, error) {
	l := r.loader(ctx)
	v, err := scan(l.roots, dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read pallet: %w", err), l.roots.close())
	}
	p := l.pallet(v)
	l.mistakes.add(l.roots.close())
	if err := l.mistakes.err(); err != nil {
		return nil, err
	}
	return p, nil
}

func (r Reader) loader(ctx context.Context) *loader {
	return &loader{
		ctx: ctx, resolver: r.Resolver, ignoreToolVersion: r.IgnoreToolVersion,
		roots: roots{}, resolved: map[string]resolved{}, trees: map[string]*layered{}, repositories: map[string]resolved{},
		packages: map[packageKey]*Package{},
	}
}

func (l *loader) pallet(v *view) *Pallet {
	t := l.layer(v, "", nil)
	if len(l.mistakes) > 0 && t.declared.ForkliftVersion == "" {
		return nil
	}
	l.repository(t.merged)
	p := &Pallet{
		Dir:         v.dir,
		Path:        t.declared.Pallet.Path,
		Description: t.declared.Pallet.Description,
		layered:     t,
	}
	t.repositories = l.requirements(t.merged, requiredRepositories)
	p.Deployments = l.deployments(t)
	p.Notes = l.notes
	return p
}

// version checks a format version.
func (l *loader) version(f *file, version string) {
	at := keyPath{"forklift-version"}
	switch {
	case !semver.IsValid(version):
		l.mistakes.add(f.errorf(at, "forklift-version %q is not a version such as %s", version, minVersion))
	case semver.Compare(version, minVersion) < 0:
		l.mistakes.add(f.errorf(at, "forklift-version %s is older than %s", version, minVersion))
	case semver.Compare(semver.MajorMinor(version), maxSeries) > 0 && !l.ignoreToolVersion:
		l.mistakes.add(f.errorf(at, "forklift-version %s is newer than %s, the newest supported version; "+
			"try it anyway with --ignore-tool-version", version, maxSeries))
	}
}

// repository checks the optional forklift-repository.yml, by which other pallets can require the pallet as a repository.
func (l *loader) repository(v *view) {
	var declared palletDeclaration
	f, err := v.read(l.roots, repositoryFile, &declared)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		l.mistakes.add(err)
	default:
		l.version(f, declared.ForkliftVersion)
	}
}

// errNoRepository is the error of repositoryOf for a package that is in no requirement.
var errNoRepository = errors.New("no required repository or pallet has the package")

// repositoryOf returns the required repository of a package: the one with the longest path, as in Forklift. Since
// Forklift v0.8 a required pallet is a repository, too.
func repositoryOf(t *layered, packagePath string) (*required, error) {
	var found *required
	for _, req := range append(slices.Clip(t.repositories), t.required...) {
		if strings.HasPrefix(packagePath, req.Path+"/") && (found == nil || len(req.Path) > len(found.Path)) {
			found = req
		}
	}
	if found == nil {
		return nil, errNoRepository
	}
	return found, nil
}

// repositoryView returns the files of a required repository. If it is a pallet they include its imports.
func (l *loader) repositoryView(t *layered, req *required) (*view, error) {
	if req.tree != nil {
		return req.tree.merged, nil
	}
	key := req.key()
	if r, ok := l.repositories[key]; ok {
		return r.view, r.err
	}
	v, err := l.resolve(req)
	if err == nil {
		l.required(t, req, v)
		if _, pallet := v.entries[palletFile]; pallet && len(v.below(requiredPallets)) > 0 {
			v = l.layerRequired(t, req, v, []string{t.path}).merged
		}
	}
	l.repositories[key] = resolved{v, err}
	return v, err
}

// required checks the declaration of a required repository.
func (l *loader) required(t *layered, req *required, v *view) {
	var declared palletDeclaration
	f, err := v.read(l.roots, repositoryFile, &declared)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = v.read(l.roots, palletFile, &declared)
	}
	if err != nil {
		l.mistakes.add(req.file.errorf(nil, "requirement %s %s is not a repository: %w", req.Path, req.Lock.Version(), err))
		return
	}
	l.version(f, declared.ForkliftVersion)
	l.notOlder(t, req.file, req.Path, declared.ForkliftVersion)
}
