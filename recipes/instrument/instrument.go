// Package instrument creates the directory of a new instrument: a recipe, a pallet with a service and a container, the
// recipe of the container's image, a scenario and a CI workflow.
package instrument

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed template
var template embed.FS

// namePattern is the pattern of a recipe's name.
var namePattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Create writes a new recipe with its pallet and files (an "instrument") to dir, and returns the names of the written files,
// relative to dir. The last element of dir becomes the instrument's name. It fails if that is no name of a recipe or dir is
// not empty; after other errors, files that were written stay.
func Create(dir string) ([]string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(abs)
	if !namePattern.MatchString(name) {
		return nil, fmt.Errorf("name %q is invalid; write up to 63 lower-case letters, digits and inner dashes, such as buoy", name)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty; choose another directory", dir)
	}
	var created []string
	err = fs.WalkDir(template, "template", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		to := strings.NewReplacer("NAME.", name+".", "dot-", ".", ".link", "").Replace(strings.TrimPrefix(file, "template/"))
		created = append(created, to)
		return write(filepath.Join(dir, to), file, name)
	})
	return created, err
}

// write writes a file of the template, or the symlink whose target a file with the suffix .link contains.
func write(to, file, name string) error {
	data, err := template.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if strings.HasSuffix(file, ".link") {
		return os.Symlink(string(data), to)
	}
	return os.WriteFile(to, []byte(strings.ReplaceAll(string(data), "@NAME@", name)), 0o644)
}
