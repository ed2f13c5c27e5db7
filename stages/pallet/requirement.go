package pallet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Requirement is a pallet or repository that a pallet requires, with its locked version.
type Requirement struct {
	Path string // such as github.com/PlanktoScope/pallet-standard
	Lock Lock
}

// Resolver provides the files of requirements. Resolve returns a directory with the files of the locked commit, which must
// not change while the pallet is in use.
type Resolver interface {
	Resolve(ctx context.Context, r Requirement) (dir string, err error)
}

// The directories of requirements, and the suffixes of import groups and features.
const (
	requiredPallets      = "requirements/pallets"
	requiredRepositories = "requirements/repositories"
	importsSuffix        = ".imports.yml"
	featuresDir          = "features"
	featureSuffix        = ".feature.yml"
)

// required is a requirement with its declaration and its content.
type required struct {
	Requirement
	dir    string // of the declaration in the view
	file   *file
	groups []group
	tree   *layered                     // nil for repositories and if nothing is imported
	sum    string                       // content of the sum file; "" if there is none
	mapped map[string]map[string]string // by import group: sources by target, both with a leading slash
}

// key identifies the requirement. It includes the commit, since two locks may claim the same tag.
func (r *required) key() string { return r.Path + "@" + r.Lock.Version() + "+" + r.Lock.Commit }

// group is an import group.
type group struct {
	name     string
	declared importDeclaration
	file     *file
}

// requirements reads the requirements below a directory of a view, sorted by path.
func (l *loader) requirements(v *view, dir string) []*required {
	var all []*required
	for name := range v.files(dir) {
		if path.Base(name) != versionLockFile || path.Dir(name) == dir {
			continue
		}
		at := path.Dir(name)
		req := &required{Requirement: Requirement{Path: strings.TrimPrefix(at, dir+"/")}, dir: at}
		var err error
		req.file, err = v.read(l.roots, name, &req.Lock)
		if err == nil {
			if key, text := req.Lock.mistake(); key != "" {
				err = req.file.errorf(keyPath{key}, "%s", text)
			}
		}
		if err != nil {
			l.mistakes.add(err)
			continue
		}
		req.sum = l.sumFile(v, path.Join(at, SumFile))
		req.groups = l.groups(v, at)
		all = append(all, req)
	}
	return all
}

// sumFile returns the content of a sum file, "" if there is none.
func (l *loader) sumFile(v *view, name string) string {
	if _, ok := v.entries[name]; !ok {
		return ""
	}
	e := v.find(name)
	root, err := l.roots.open(e.dir)
	if err != nil {
		l.mistakes.add(err)
		return ""
	}
	content, err := readLimited(root.FS(), e.name, 4096)
	if err != nil {
		l.mistakes.add(fmt.Errorf("read %s: %w", v.fullPath(name), withoutPath(err)))
	}
	return content
}

// readLimited reads a file of at most so many bytes.
func readLimited(from fs.FS, name string, most int64) (string, error) {
	f, err := from.Open(name)
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if int64(len(content)) > most {
		err = fmt.Errorf("file has more than %d bytes", most)
	}
	return string(content), errors.Join(err, f.Close())
}

// groups reads the import groups of a requirement.
func (l *loader) groups(v *view, dir string) []group {
	var all []group
	for name := range v.files(dir) {
		base, ok := strings.CutSuffix(strings.TrimPrefix(name, dir+"/"), importsSuffix)
		if !ok || base == "" {
			continue
		}
		g := group{name: base}
		var err error
		if g.file, err = v.read(l.roots, name, &g.declared); err != nil {
			l.mistakes.add(err)
			continue
		}
		all = append(all, g)
	}
	return all
}

// enabled returns the groups that are not disabled.
func (r *required) enabled() []group {
	var on []group
	for _, g := range r.groups {
		if !g.declared.Disabled {
			on = append(on, g)
		}
	}
	return on
}

// errNoResolver is the error of a Reader without a Resolver.
var errNoResolver = errors.New("required pallets cannot be downloaded here")

// resolved is the cached result of a Resolver.
type resolved struct {
	view *view
	err  error
}

// resolve returns the files of a requirement after comparing them with its sum file.
func (l *loader) resolve(req *required) (*view, error) {
	r, ok := l.resolved[req.key()]
	if !ok {
		r.view, r.err = l.scanRequired(req.Requirement)
		l.resolved[req.key()] = r
	}
	if r.err != nil {
		return nil, req.file.errorf(keyPath{"commit"}, "%w", r.err)
	}
	if err := l.verify(req, r.view); err != nil {
		return nil, err
	}
	return r.view, nil
}

// scanRequired asks the Resolver for a requirement and returns the view of its directory.
func (l *loader) scanRequired(r Requirement) (*view, error) {
	if l.resolver == nil {
		return nil, fmt.Errorf("requirement %s: %w", r.Path, errNoResolver)
	}
	dir, err := l.resolver.Resolve(l.ctx, r)
	if err != nil {
		return nil, err
	}
	return scan(l.roots, dir)
}

// verify compares the files of a requirement with its sum file. A missing sum file gives a note.
func (l *loader) verify(req *required, v *view) error {
	name := path.Join(path.Dir(req.file.name), SumFile)
	if req.sum == "" {
		l.note("%s: file is missing, so only the commit of %s is verified; write it with the command pallet sum", name, req.Path)
		return nil
	}
	sum, err := v.sum(l.roots)
	if err == nil {
		err = checkSumFile(req.sum, req.Path, req.Lock.Version(), sum)
	}
	if err != nil {
		return fmt.Errorf("%s:1:1: %w", name, err)
	}
	return nil
}
