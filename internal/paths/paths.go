// Package paths compares paths as text. It reads no file, so symlinks have to be resolved before.
package paths

import (
	"path"
	"strings"
)

// Within reports whether name is dir or lies below it. It compares whole elements: /data2 is not within /data.
func Within(name, dir string) bool {
	name, dir = path.Clean(name), path.Clean(dir)
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}
