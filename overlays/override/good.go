package override

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// GoodFile is the name in overlays.StateDir of the list of overrides that were in force at the last good verdict.
const GoodFile = "good.json"

// SetAsideDir is the directory in overlays.StateDir of the overrides that pkinit took out of force, in numbered
// directories.
const SetAsideDir = "set-aside"

// goodVersion is the version of the format of GoodFile.
const goodVersion = 1

// Files maps the paths of files, relative to a directory, to identities. The identity of a file changes with every change of
// its content or metadata; all directories have the same one.
type Files map[string]string

// ListFiles returns the files and directories below dir with their identities; an empty list if dir does not exist. Symlinks
// are not followed.
func ListFiles(dir string) (Files, error) {
	all := Files{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) && name == dir {
			return fs.SkipAll
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || rel == "." {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		all[rel] = identity(i)
		return nil
	})
	return all, err
}

// identity returns the inode and the time of the last change of a file. Directories have no identity beside their path:
// their times change with their files.
func identity(i fs.FileInfo) string {
	if i.IsDir() {
		return "directory"
	}
	s := i.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d %d.%09d", s.Ino, s.Ctim.Sec, s.Ctim.Nsec)
}

// ParseGood parses the content of GoodFile: the overrides of the last boot with a good verdict. It fails for another format
// version.
func ParseGood(data []byte) (Files, error) {
	var file struct {
		Version int   `json:"version"`
		Files   Files `json:"files"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("parse %s: %w", GoodFile, err)
	}
	if file.Version != goodVersion {
		return nil, fmt.Errorf("parse %s: version is %d, want %d", GoodFile, file.Version, goodVersion)
	}
	return file.Files, nil
}

// Marshal encodes the list as the content of GoodFile, which records the overrides of the last good boot.
func (f Files) Marshal() ([]byte, error) {
	data, err := json.Marshal(map[string]any{"version": goodVersion, "files": f})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", GoodFile, err)
	}
	return append(data, '\n'), nil
}

// ChangedSince returns the paths of files in f that were added or changed since good, in alphabetical order; files that are
// only in good are not listed. It lists a new directory without what is in it.
func (f Files) ChangedSince(good Files) []string {
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if f[name] == good[name] || slices.ContainsFunc(changed, func(dir string) bool { return strings.HasPrefix(name, dir+"/") }) {
			continue
		}
		changed = append(changed, path.Clean(name))
	}
	return changed
}
