package recipes

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// shippedScheme is the prefix of the name of a shipped recipe under include.
const shippedScheme = "pkbuild:"

// shipped are the recipes that ship, with the files that they refer to. It lacks symlinks and modes: see shippedIndex.
//
//go:embed *.yml include containers files pallets
var shipped embed.FS

// shippedIndex lists what shipped lacks: lines "link PATH TARGET" and "exec PATH". It is written by
// go test ./recipes -run TestShippedIndex -update.
//
//go:embed shipped.index
var shippedIndex string

// ShippedNames returns the names of the recipes that ship with pkbuild, such as debian-pi, in alphabetical order. Some can
// only be included.
func ShippedNames() []string {
	var names []string
	for name := range shippedFiles() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// shippedFiles returns the files of the shipped recipes by name. A recipe to include comes before a complete one of the
// same name.
func shippedFiles() map[string]string {
	files := map[string]string{}
	for _, pattern := range []string{"containers/*.yml", "*.yml", "include/*.yml"} {
		found, _ := fs.Glob(shipped, pattern) // the pattern is valid
		for _, file := range found {
			files[strings.TrimSuffix(path.Base(file), ".yml")] = file
		}
	}
	return files
}

// shippedPath extracts the shipped recipes to a directory below dir, unless they are there, and returns the file of one.
func shippedPath(dir, name string) (string, error) {
	file, known := shippedFiles()[name]
	if !known {
		if near := spelling.Nearest(name, ShippedNames()); near != "" {
			return "", fmt.Errorf("no recipe %s ships with pkbuild; did you mean %s%s?", quote(name), shippedScheme, near)
		}
		return "", fmt.Errorf("no recipe %s ships with pkbuild; known are %s", quote(name), enumerate(ShippedNames()))
	}
	if dir == "" {
		return "", errors.New("shipped recipes cannot be included without a cache")
	}
	to := filepath.Join(dir, shippedDigest())
	if _, err := os.Stat(to); err == nil {
		return filepath.Join(to, file), nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return "", err
	}
	if err := extractShipped(tmp); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, to); err != nil { // another process may have been faster
		if _, stat := os.Stat(to); stat != nil {
			return "", errors.Join(err, os.RemoveAll(tmp))
		}
		return filepath.Join(to, file), os.RemoveAll(tmp)
	}
	return filepath.Join(to, file), nil
}

// shippedDigest identifies the content of the shipped recipes.
func shippedDigest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", shippedIndex)
	_ = fs.WalkDir(shipped, ".", func(name string, d fs.DirEntry, _ error) error { // an embedded file system has no errors
		if !d.IsDir() {
			data, _ := shipped.ReadFile(name)
			fmt.Fprintf(h, "%q %q", name, data)
		}
		return nil
	})
	return fmt.Sprintf("%.8x", h.Sum(nil))
}

// extractShipped writes the shipped recipes to an empty directory.
func extractShipped(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(dir, shipped); err != nil {
		return err
	}
	for line := range strings.Lines(shippedIndex) {
		f := strings.Fields(line)
		name := filepath.Join(dir, f[1])
		var err error
		if f[0] == "link" {
			err = errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(f[2], name))
		} else {
			err = os.Chmod(name, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
