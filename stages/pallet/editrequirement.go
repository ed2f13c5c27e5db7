package pallet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// SetRequirement requires a pallet, or changes the version of a required one, and writes the sum file with the hash of its
// files. If the sum is "", it deletes the sum file, whose hash is that of the version before.
func (e Edit) SetRequirement(r Requirement, sum string) error {
	return e.lock(requiredPallets, r, sum)
}

// SetRepository adds or changes the requirement of a package repository, like SetRequirement for a pallet.
func (e Edit) SetRepository(r Requirement, sum string) error {
	return e.lock(requiredRepositories, r, sum)
}

func (e Edit) lock(dir string, r Requirement, sum string) error {
	if text := pathProblem(r.Path); text != "" {
		return fmt.Errorf("requirement %q %s", r.Path, text)
	}
	dir = path.Join(dir, r.Path)
	if err := e.writeYAML(path.Join(dir, versionLockFile), r.Lock); err != nil {
		return err
	}
	if sum != "" {
		return e.WriteSums(map[string]string{path.Join(dir, SumFile): sumLine(r, sum)})
	}
	err := os.Remove(filepath.Join(e.Dir, dir, SumFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sumLine returns the content of a sum file: as in go.sum, a path, a version and a hash.
func sumLine(r Requirement, sum string) string {
	return r.Path + " " + r.Lock.Version() + " " + sum + "\n"
}

// WriteSums writes sum files (the hashes of required pallets), given as contents by paths in the pallet.
func (e Edit) WriteSums(sums map[string]string) error {
	for name, content := range sums {
		if err := e.writeFile(name, []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

// Sums computes the hashes of the pallets that the pallet in dir requires directly, and returns the contents of their
// sum files by paths in the pallet.
func (r Reader) Sums(ctx context.Context, dir string) (sums map[string]string, err error) {
	l := r.loader(ctx)
	defer func() { err = errors.Join(err, l.roots.close()) }()
	v, err := scan(l.roots, dir)
	if err != nil {
		return nil, err
	}
	sums = map[string]string{}
	for _, req := range append(l.requirements(v, requiredPallets), l.requirements(v, requiredRepositories)...) {
		req.sum = ""
		required, err := l.resolve(req)
		if err != nil {
			return nil, err
		}
		sum, err := required.sum(l.roots)
		if err != nil {
			return nil, err
		}
		sums[path.Join(req.dir, SumFile)] = sumLine(req.Requirement, sum)
	}
	return sums, l.mistakes.err()
}

// writeYAML encodes a YAML file as Forklift does and writes it.
func (e Edit) writeYAML(name string, declared any) error {
	text, err := encode(declared)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return e.writeFile(name, text)
}

// writeFile replaces a file of the pallet atomically and durably. It follows no symlink out of the pallet.
func (e Edit) writeFile(name string, content []byte) (err error) {
	root, err := os.OpenRoot(e.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", fullPath(root, name), err)
	}
	if err := atomicfile.WriteIn(root, name, content, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", fullPath(root, name), err)
	}
	return nil
}
