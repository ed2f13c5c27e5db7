package layers

import "path/filepath"

// Locate returns the path of a file that a recipe names, relative to the recipe's directory unless it is absolute.
func Locate(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// Helper returns the file name of a helper program for an architecture.
func Helper(program, architecture string) string { return program + "-" + architecture }
