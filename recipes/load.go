package recipes

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
)

// Options are the values of a recipe's variables, the directory for shipped recipes that it includes, and the architecture.
type Options struct {
	// Set are values of variables that override the recipe's. They are not expanded.
	Set map[string]string
	// Shipped is the directory in which shipped recipes are extracted when they are included. It may be empty, and then
	// none can be.
	Shipped string
	// Architecture is Debian's name of an architecture in place of the recipe's, such as amd64; "" is the recipe's.
	Architecture string
}

// Load reads a recipe and the files that it includes. The error is of type Problems if they contain mistakes, and of
// another type if the recipe cannot be read.
func Load(path string, opts Options) (*Recipe, error) {
	l := loader{read: readFile, isDir: isDir, options: opts}
	return l.load(path)
}

// loader is one run of Load.
type loader struct {
	read    func(name string) ([]byte, error)
	isDir   func(name string) (bool, error)
	options Options

	problems   Problems
	files      []*node                    // the recipe last, each file after those that it includes
	opened     map[string]bool            // by cleaned name
	included   map[string]map[string]bool // files that each file includes, transitively, by cleaned name
	unused     map[string]bool            // secrets of removed users, which may be unused
	incomplete bool                       // an included file could not be read, so its declarations are unknown
}

func (l *loader) load(path string) (*Recipe, error) {
	src, err := l.read(path)
	if err != nil {
		return nil, fmt.Errorf("read recipe: %w", err)
	}
	l.opened, l.included, l.unused = map[string]bool{}, map[string]map[string]bool{}, map[string]bool{}
	l.open(path, src, nil)

	vars := l.variables(path)
	for _, file := range l.files {
		vars.expandAll(file)
	}
	dir := filepath.Dir(path)
	for _, file := range l.files {
		l.decoder(dir).recipe(file)
	}
	if l.incomplete {
		return nil, l.problems.err()
	}

	l.removeAll()
	d := l.decoder(dir)
	d.whole, d.unused = true, l.unused
	recipe := d.recipe(mergeAll(l.files))
	if l.options.Architecture != "" {
		recipe.Architecture = l.options.Architecture
	}
	d.check(recipe)
	recipe.selectPackages()
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	recipe.Dir, recipe.nodes = dir, d.from
	maps.Copy(recipe.Vars, l.options.Set)
	return recipe, nil
}

// readFile reads a file up to the size at which the parser refuses it.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

// isDir reports whether an existing file is a directory.
func isDir(name string) (bool, error) {
	info, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}
