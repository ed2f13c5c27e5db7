package recipes

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
)

// Options change how a recipe is loaded. The zero value changes nothing.
type Options struct {
	// Set gives variables values that win over the recipe's: --set name=value. They are taken as they are, without
	// variables in them.
	Set map[string]string
}

// Load reads a recipe and all that it includes. What is wrong with them is returned as Problems; any other error is
// that of reading the recipe itself.
func Load(path string, opts Options) (*Recipe, error) {
	l := loader{read: readFile, isDir: isDir, options: opts}
	return l.load(path)
}

// loader is one run of Load.
type loader struct {
	read    func(name string) ([]byte, error)
	isDir   func(name string) (bool, error)
	options Options

	problems Problems
	files    []*node         // the recipe last, each file after those that it includes
	opened   map[string]bool // by cleaned name
	lacking  bool            // a file could not be read: what it would have declared is not known
}

func (l *loader) load(path string) (*Recipe, error) {
	src, err := l.read(path)
	if err != nil {
		return nil, fmt.Errorf("read recipe: %w", err)
	}
	l.opened = map[string]bool{}
	l.open(path, src, nil)

	vars := l.variables(path)
	for _, file := range l.files {
		vars.expandAll(file)
	}
	dir := filepath.Dir(path)
	for _, file := range l.files {
		l.decoder(dir).recipe(file)
	}
	if l.lacking {
		return nil, l.problems.err()
	}

	d := l.decoder(dir)
	d.whole = true
	recipe := d.recipe(mergeAll(l.files))
	d.check(recipe)
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	recipe.Dir = dir
	maps.Copy(recipe.Vars, l.options.Set)
	return recipe, nil
}

// readFile reads a file up to the size of which the parser says that it is too large.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

// isDir reports whether a file that exists is a directory.
func isDir(name string) (bool, error) {
	info, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}
