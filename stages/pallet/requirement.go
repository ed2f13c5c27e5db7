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

// Requirement is another pallet or repository that a pallet takes files or packages from.
type Requirement struct {
	Path string // such as github.com/PlanktoScope/pallet-standard
	Lock Lock
}

// Resolver finds what a pallet requires. The directory that it returns has the files of the commit and stays as it is
// while the pallet is in use.
type Resolver interface {
	Resolve(ctx context.Context, r Requirement) (dir string, err error)
}

// The directories of requirements, and the suffixes of files that declare groups of imports and features.
const (
	requiredPallets      = "requirements/pallets"
	requiredRepositories = "requirements/repositories"
	importsSuffix        = ".imports.yml"
	featuresDir          = "features"
	featureSuffix        = ".feature.yml"
)

// required is a requirement with where it is declared and what was found.
type required struct {
	Requirement
	dir    string // of the declaration in the view
	file   *file
	groups []group
	tree   *layered                     // nil unless something is taken from it
	sum    string                       // content of the sum file; "" if there is none
	mapped map[string]map[string]string // of each group: sources by target, both with a leading slash
}

// key tells what is required from all else that may be: a tag may be said to be on two commits.
func (r *required) key() string { return r.Path + "@" + r.Lock.Version() + "+" + r.Lock.Commit }

// group is a group of imports.
type group struct {
	name     string
	declared importDeclaration
	file     *file
}

// requirements reads the requirements below a directory of a view, in the order of their paths.
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
				err = req.file.errorf(steps{key}, "%s", text)
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

// sumFile is the content of a sum file, "" if there is none.
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
		l.mistakes.add(fmt.Errorf("read %s: %w", v.located(name), pathless(err)))
	}
	return content
}

func readLimited(from fs.FS, name string, most int64) (string, error) {
	f, err := from.Open(name)
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if int64(len(content)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return string(content), errors.Join(err, f.Close())
}

// groups reads the groups of imports of a requirement.
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

// enabled are the groups that are in use.
func (r *required) enabled() []group {
	var on []group
	for _, g := range r.groups {
		if !g.declared.Disabled {
			on = append(on, g)
		}
	}
	return on
}

// errNoResolver is why a requirement cannot be had.
var errNoResolver = errors.New("what other pallets and repositories have cannot be read here")

// resolve finds the files of a requirement, and checks them against the sum beside its lock.
func (l *loader) resolve(req *required) (*view, error) {
	at := steps{"commit"}
	if l.resolver == nil {
		return nil, req.file.errorf(at, "this pallet requires %s, and %w", req.Path, errNoResolver)
	}
	dir, err := l.resolver.Resolve(l.ctx, req.Requirement)
	if err != nil {
		return nil, req.file.errorf(at, "%w", err)
	}
	v, err := scan(l.roots, dir)
	if err != nil {
		return nil, req.file.errorf(at, "%w", err)
	}
	return v, l.verify(req, v)
}

func (l *loader) verify(req *required, v *view) error {
	name := path.Join(path.Dir(req.file.name), SumFile)
	if req.sum == "" {
		l.note("%s: there is no such file, so that only the commit of %s is checked; write it with: pkctl pallet sum",
			name, req.Path)
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
