package layers

import "path/filepath"

// Locate returns the path of a file that a recipe names: absolute, or relative to the recipe's directory dir.
func Locate(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// Pi is Debian's name of the architecture of a Raspberry Pi, for which programs are unless a layer names another.
const Pi = "arm64"

// Helper returns the file name of a helper program for an architecture, such as pkinit-arm64.
func Helper(program, architecture string) string { return program + "-" + architecture }
