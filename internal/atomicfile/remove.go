package atomicfile

import (
	"os"
	"path/filepath"
)

// Remove removes a file or an empty directory durably: it syncs the directory that held the name. It returns
// fs.ErrNotExist if there is none.
func Remove(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}
