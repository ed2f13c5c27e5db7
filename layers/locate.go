package layers

import "path/filepath"

// Locate is where a file lies that a recipe names, which itself lies in dir.
func Locate(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// Helper is the file name of a program among the helper programs.
func Helper(program, architecture string) string { return program + "-" + architecture }
