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

// Edit changes a pallet in its directory. In the files of deployments comments and the order of keys stay; those of
// requirements are written anew.
type Edit struct {
	Dir string // of the pallet
}

// AddDeployment adds the deployment of a package, which may be disabled.
func (e Edit) AddDeployment(name, of string, features []string, disabled bool) error {
	file, err := deploymentFile(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(e.Dir, file)); err == nil {
		return fmt.Errorf("add deployment %s: %s is there already", name, filepath.Join(e.Dir, file))
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
		return fmt.Errorf("delete deployment %s: %w", name, err)
	}
	return nil
}

// SetDisabled disables a deployment, or enables it.
func (e Edit) SetDisabled(name string, disabled bool) error {
	return e.change(name, func(d *deploymentDeclaration) error {
		d.Disabled = disabled
		return nil
	})
}

// SetPackage changes the package that a deployment is of.
func (e Edit) SetPackage(name, of string) error {
	return e.change(name, func(d *deploymentDeclaration) error {
		d.Package = of
		return nil
	})
}

// EnableFeatures enables features of a deployment's package that are not yet enabled.
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

// DisableFeatures disables features that are enabled.
func (e Edit) DisableFeatures(name string, features ...string) error {
	return e.change(name, func(d *deploymentDeclaration) error {
		for _, feature := range features {
			i := slices.Index(d.Features, feature)
			if i < 0 {
				return fmt.Errorf("feature %q is not enabled; enabled are: %s", feature, strings.Join(d.Features, ", "))
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
		text, err = redeclare(old.data, declared)
	}
	if err != nil {
		return fmt.Errorf("change deployment %s: %w", name, err)
	}
	return e.writeFile(file, text)
}

func deploymentFile(name string) (string, error) {
	if text := badPath(name); text != "" || name == "" {
		return "", fmt.Errorf("deployment %q %s", name, text)
	}
	return path.Join(deploymentsDir, name) + deploymentSuffix, nil
}

// SetRequirement locks a required pallet at a version. The sum may be ""; then a sum that there is is removed, since it
// is of another version.
func (e Edit) SetRequirement(r Requirement, sum string) error {
	return e.lock(requiredPallets, r, sum)
}

// SetRepository does the same for a required repository.
func (e Edit) SetRepository(r Requirement, sum string) error {
	return e.lock(requiredRepositories, r, sum)
}

func (e Edit) lock(dir string, r Requirement, sum string) error {
	if text := badPath(r.Path); text != "" {
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

// sumLine is what a sum file consists of: as in go.sum, what the hash is of, in which version, and the hash.
func sumLine(r Requirement, sum string) string {
	return r.Path + " " + r.Lock.Version() + " " + sum + "\n"
}

// WriteSums writes sum files: contents by paths in the pallet.
func (e Edit) WriteSums(sums map[string]string) error {
	for name, content := range sums {
		if err := e.writeFile(name, []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

// Sums are the sum files of all that a pallet itself requires, as they should be: contents by paths in the pallet.
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

// write writes a file of YAML as Forklift does.
func (e Edit) write(name string, declared any) error {
	text, err := encode(declared)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return e.writeFile(name, text)
}

// writeFile makes a file appear under its name once it is whole and on the disk. No symlink leads out of the pallet.
func (e Edit) writeFile(name string, content []byte) (err error) {
	root, err := os.OpenRoot(e.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", located(root, name), err)
	}
	if err := atomicfile.WriteIn(root, name, content, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", located(root, name), err)
	}
	return nil
}
