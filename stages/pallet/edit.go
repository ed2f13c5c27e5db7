package pallet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// Edit changes the files of a pallet. Changes of deployments keep comments and the order of keys; files of requirements
// are rewritten.
type Edit struct {
	Dir string // of the pallet
}

// AddDeployment adds a deployment of a package. It fails if the pallet has a deployment of the name.
func (e Edit) AddDeployment(name, of string, features []string, disabled bool) error {
	file, err := deploymentFile(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(e.Dir, file)); err == nil {
		return fmt.Errorf("add deployment %s: %s exists", name, filepath.Join(e.Dir, file))
	}
	return e.write(file, deploymentDeclaration{Package: of, Features: features, Disabled: disabled})
}

// DeleteDeployment deletes a deployment.
func (e Edit) DeleteDeployment(name string) error {
	file, err := deploymentFile(name)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(e.Dir)
	if err != nil {
		return err
	}
	if err := errors.Join(root.Remove(file), root.Close()); err != nil {
		return fmt.Errorf("delete deployment %s: %w", name, e.explainMissing(name, err))
	}
	return nil
}

// SetDisabled disables or enables a deployment.
func (e Edit) SetDisabled(name string, disabled bool) error {
	return e.change(name, func(d *deploymentDeclaration) error {
		d.Disabled = disabled
		return nil
	})
}

// SetPackage changes the package of a deployment.
func (e Edit) SetPackage(name, of string) error {
	return e.change(name, func(d *deploymentDeclaration) error {
		d.Package = of
		return nil
	})
}

// EnableFeatures enables features of a deployment. Those that are enabled already stay so.
func (e Edit) EnableFeatures(name string, features ...string) error {
	return e.change(name, func(d *deploymentDeclaration) error {
		for _, feature := range features {
			if !slices.Contains(d.Features, feature) {
				d.Features = append(d.Features, feature)
			}
		}
		return nil
	})
}

// DisableFeatures disables features of a deployment. It fails if one of them is not enabled.
func (e Edit) DisableFeatures(name string, features ...string) error {
	return e.change(name, func(d *deploymentDeclaration) error {
		for _, feature := range features {
			i := slices.Index(d.Features, feature)
			if i < 0 {
				return fmt.Errorf("feature %q is not enabled; the enabled features are: %s", feature, strings.Join(d.Features, ", "))
			}
			d.Features = slices.Delete(d.Features, i, i+1)
		}
		return nil
	})
}

func (e Edit) change(name string, change func(*deploymentDeclaration) error) error {
	file, err := deploymentFile(name)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(e.Dir)
	if err != nil {
		return err
	}
	var declared deploymentDeclaration
	old, err := readFile(root, file, &declared)
	err = errors.Join(err, root.Close())
	if err == nil {
		err = change(&declared)
	}
	var text []byte
	if err == nil {
		text, err = updateDeclaration(old.data, declared)
	}
	if err != nil {
		return fmt.Errorf("change deployment %s: %w", name, e.explainMissing(name, err))
	}
	return e.writeFile(file, text)
}

func deploymentFile(name string) (string, error) {
	if text := pathProblem(name); text != "" || name == "" {
		return "", fmt.Errorf("deployment %q %s", name, text)
	}
	return path.Join(deploymentsDir, name) + deploymentSuffix, nil
}

// SetRequirement requires a pallet, or changes the version of a required one, and writes its sum file. If the sum is "",
// it deletes the sum file, which is of another version.
func (e Edit) SetRequirement(r Requirement, sum string) error {
	return e.lock(requiredPallets, r, sum)
}

// SetRepository is SetRequirement for a repository.
func (e Edit) SetRepository(r Requirement, sum string) error {
	return e.lock(requiredRepositories, r, sum)
}

func (e Edit) lock(dir string, r Requirement, sum string) error {
	if text := pathProblem(r.Path); text != "" {
		return fmt.Errorf("requirement %q %s", r.Path, text)
	}
	dir = path.Join(dir, r.Path)
	if err := e.write(path.Join(dir, versionLockFile), r.Lock); err != nil {
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

// WriteSums writes sum files, given as contents by paths in the pallet.
func (e Edit) WriteSums(sums map[string]string) error {
	for name, content := range sums {
		if err := e.writeFile(name, []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

// Sums computes the sum files of the direct requirements of a pallet: contents by paths in the pallet.
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

// write encodes a YAML file as Forklift does and writes it.
func (e Edit) write(name string, declared any) error {
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
