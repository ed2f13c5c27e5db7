package pallet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// explainMissing names the deployments that the pallet's directory has, in place of the error of a system call for one
// that it lacks.
func (e Edit) explainMissing(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var all []string
	walk := func(file string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, deploymentSuffix) {
			all = append(all, strings.TrimSuffix(file, deploymentSuffix))
		}
		return nil
	}
	if err := fs.WalkDir(os.DirFS(path.Join(e.Dir, deploymentsDir)), ".", walk); err != nil {
		return err
	}
	slices.Sort(all)
	if len(all) == 0 {
		all = []string{"none"}
	}
	return fmt.Errorf("no deployment %q in %s: it has %s", name, path.Join(e.Dir, deploymentsDir), strings.Join(all, ", "))
}
