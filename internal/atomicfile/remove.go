package atomicfile

import (
	"os"
	"path/filepath"
)

// Remove removes a file or an empty directory so that a power cut does not bring it back: it syncs the directory that
// held the name.
func Remove(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
