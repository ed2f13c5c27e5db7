package pallet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Edit changes the files of a pallet. Changes of deployments keep comments and the order of keys; files of requirements are
// rewritten. If a deployment is imported, Edit changes it by writing a file in the pallet itself, which hides the imported
// one, and deletes it by a modifier of its import group.
type Edit struct {
	Dir    string // of the pallet
	Reader Reader // of its imports

	// Review is called before a change of deployments is written; an error stops the change. nil accepts all changes.
	Review func([]Change) error
}

// Change is a planned change of one file of a pallet: its new content, or its deletion.
type Change struct {
	File    string   // in the pallet
	Content string   // "" if the file is deleted
	Origin  []string // of the imported deployment, as Pallet.Origin; nil if the pallet does not import it
}

// AddDeployment adds a named deployment of a package, which is given by its path. It fails if the pallet has or imports a
// deployment of the name, but does not check that the package and its features exist.
func (e Edit) AddDeployment(ctx context.Context, name, of string, features []string, disabled bool) error {
	file, err := deploymentFile(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(e.Dir, file)); err == nil {
		return fmt.Errorf("add deployment %s: file %s exists", name, filepath.Join(e.Dir, file))
	}
	if found, err := e.imported(ctx, file); err == nil && len(found.origin) > 0 {
		return fmt.Errorf("add deployment %s: the pallet imports it from %s; change or delete that one", name, found.origin[0])
	}
	text, err := encode(deploymentDeclaration{Package: of, Features: features, Disabled: disabled})
	if err != nil {
		return fmt.Errorf("add deployment %s: %w", name, err)
	}
	return e.write(Change{File: file, Content: string(text)})
}

// DeleteDeployment deletes a deployment: its file in the pallet or, if there is none, its import. If the deleted file hid an
// imported one, the pallet has the imported deployment from then on. It fails if the pallet neither has nor imports the
// deployment.
func (e Edit) DeleteDeployment(ctx context.Context, name string) error {
	file, err := deploymentFile(name)
	if err != nil {
		return err
	}
	found, err := e.imported(ctx, file)
	_, missing := os.Lstat(filepath.Join(e.Dir, file))
	switch {
	case missing == nil:
		return e.write(Change{File: file, Origin: found.origin})
	case err != nil:
		return fmt.Errorf("delete deployment %s: %w", name, err)
	case len(found.origin) == 0:
		return fmt.Errorf("delete deployment %s: %w", name, found.missing())
	}
	changes, err := e.withoutImport(file, found)
	if err != nil {
		return fmt.Errorf("delete deployment %s: %w", name, err)
	}
	return e.write(changes...)
}

// SetDisabled disables or enables a deployment. It fails if the pallet neither has nor imports the deployment.
func (e Edit) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return e.change(ctx, name, func(d *deploymentDeclaration) error {
		d.Disabled = disabled
		return nil
	})
}

// SetPackage changes the package of a deployment to another one, given by its path. It fails if the pallet neither has nor
// imports the deployment, but does not check that the package exists.
func (e Edit) SetPackage(ctx context.Context, name, of string) error {
	return e.change(ctx, name, func(d *deploymentDeclaration) error {
		d.Package = of
		return nil
	})
}

// EnableFeatures enables features of a deployment. Those that are enabled already stay so. It fails if the pallet neither
// has nor imports the deployment, but does not check that the package has the features.
func (e Edit) EnableFeatures(ctx context.Context, name string, features ...string) error {
	return e.change(ctx, name, func(d *deploymentDeclaration) error {
		for _, feature := range features {
			if !slices.Contains(d.Features, feature) {
				d.Features = append(d.Features, feature)
			}
		}
		return nil
	})
}

// DisableFeatures disables features of a deployment. If one of them is not enabled, or the pallet neither has nor imports
// the deployment, it fails and changes nothing.
func (e Edit) DisableFeatures(ctx context.Context, name string, features ...string) error {
	return e.change(ctx, name, func(d *deploymentDeclaration) error {
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

// change changes the declaration of a deployment. That of an imported one is written to an own file.
func (e Edit) change(ctx context.Context, name string, change func(*deploymentDeclaration) error) error {
	file, err := deploymentFile(name)
	if err != nil {
		return err
	}
	text, origin, err := e.changed(ctx, file, change)
	if err != nil {
		return fmt.Errorf("change deployment %s: %w", name, err)
	}
	if text == "" {
		return nil
	}
	return e.write(Change{File: file, Content: text, Origin: origin})
}

// changed returns the changed text of a deployment's file, "" if it stays the same, and the origin of the file if it is
// imported.
func (e Edit) changed(ctx context.Context, file string, change func(*deploymentDeclaration) error) (text string, origin []string, err error) {
	root, err := os.OpenRoot(e.Dir)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	var declared deploymentDeclaration
	old, err := readFile(root, file, &declared)
	data, head := old.data, ""
	if errors.Is(err, fs.ErrNotExist) {
		found, importErr := e.imported(ctx, file)
		switch {
		case importErr != nil:
			return "", nil, importErr
		case len(found.origin) == 0:
			return "", nil, found.missing()
		}
		data, declared, origin, err = found.data, found.declared, found.origin, nil
		head = fmt.Sprintf("# In place of %s\n", origin[0])
	}
	was := declared
	was.Features = slices.Clone(declared.Features)
	if err == nil {
		err = change(&declared)
	}
	if err != nil || reflect.DeepEqual(was, declared) {
		return "", nil, err
	}
	changed, err := updateDeclaration(data, declared)
	return head + string(changed), origin, err
}

// write writes changes of deployments after their review.
func (e Edit) write(changes ...Change) error {
	if e.Review != nil {
		if err := e.Review(changes); err != nil {
			return err
		}
	}
	for _, c := range changes {
		if c.Content != "" {
			if err := e.writeFile(c.File, []byte(c.Content)); err != nil {
				return err
			}
			continue
		}
		root, err := os.OpenRoot(e.Dir)
		if err != nil {
			return err
		}
		if err := errors.Join(root.Remove(c.File), root.Close()); err != nil {
			return fmt.Errorf("delete %s: %w", filepath.Join(e.Dir, c.File), withoutPath(err))
		}
	}
	return nil
}

func deploymentFile(name string) (string, error) {
	if text := pathProblem(name); text != "" || name == "" {
		return "", fmt.Errorf("deployment %q %s", name, text)
	}
	return path.Join(deploymentsDir, name) + deploymentSuffix, nil
}
