package override

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// foreignAttributes are the attributes of files in an upperdir that only an overlay with other options writes and reads:
// redirect of a renamed directory, and metacopy of a file without its content.
var foreignAttributes = []string{"trusted.overlay.redirect", "trusted.overlay.metacopy"}

// maxForeign bounds the time of ForeignFiles: the number of files that it looks at.
const maxForeign = 50_000

// ForeignFiles returns the files below an upperdir that an overlay with other options has written, each as its relative path
// and, in parentheses, its attribute, such as "etc/x (metacopy)". Without these options they cannot be read. ForeignFiles
// looks at 50 000 files at most; an upperdir that does not exist has none.
func ForeignFiles(dir string) ([]string, error) {
	var found []string
	seen := 0
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		switch {
		case err != nil && name == dir && errors.Is(err, fs.ErrNotExist), seen == maxForeign:
			return fs.SkipAll
		case err != nil:
			return err
		}
		seen++
		attribute, err := foreignAttribute(name)
		if err != nil || attribute == "" {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		found = append(found, fmt.Sprintf("%s (%s)", rel, attribute))
		return err
	})
	return found, err
}

// foreignAttribute returns the foreign attribute of a file without its prefix; "" if it has none.
func foreignAttribute(name string) (string, error) {
	size, err := unix.Llistxattr(name, nil)
	list := make([]byte, max(size, 0))
	if size > 0 {
		size, err = unix.Llistxattr(name, list)
	}
	if errors.Is(err, unix.ENOTSUP) {
		return "", nil
	}
	if err != nil {
		return "", &os.PathError{Op: "listxattr", Path: name, Err: err}
	}
	for attribute := range strings.SplitSeq(string(list[:size]), "\x00") {
		for _, foreign := range foreignAttributes {
			if attribute == foreign {
				return strings.TrimPrefix(foreign, "trusted.overlay."), nil
			}
		}
	}
	return "", nil
}
