package override

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
)

// Change says how an override differs from the file that it hides, such as changed, added or deleted.
type Change string

// The changes.
const (
	Added     Change = "added"     // no lower layer has the path
	Changed   Change = "changed"   // other content, target or type
	Metadata  Change = "metadata"  // other owner or permissions only
	Unchanged Change = "unchanged" // an equal copy, which nevertheless hides updates
	Deleted   Change = "deleted"
	Replaced  Change = "replaced" // an opaque directory, which hides all of the one below
)

// Override is a change of the user's in an overlay: a file, directory or whiteout in the upperdir, and the file that it
// hides.
type Override struct {
	Path    string `json:"path"` // in the overlay, such as hostname for /etc/hostname
	Change  Change `json:"change"`
	Against string `json:"against,omitempty"` // name of the layer whose file it hides; "" for none
	Below   string `json:"below,omitempty"`   // fingerprint of that file
}

// Layer is a lower layer of an overlay: its directory, and a name for messages such as "stage 3".
type Layer struct {
	Name string // such as "stage 3"
	Dir  string
}

// Overrides lists the overrides (the files in an upperdir), sorted by path, with what each hides in the lower layers, which
// are sorted with the nearest first. A directory is listed for itself only if it is opaque, deleted, has another owner or
// other permissions, or is new and empty. It fails if the upperdir does not exist. Whiteouts, opaque directories and
// metacopy files are described in https://docs.kernel.org/filesystems/overlayfs.html.
func Overrides(upper string, lower []Layer) ([]Override, error) {
	w := walk{upper: filepath.Clean(upper)}
	if err := w.dir("", lower); err != nil {
		return nil, fmt.Errorf("overrides in %s: %w", upper, err)
	}
	slices.SortFunc(w.found, func(a, b Override) int { return cmp.Compare(a.Path, b.Path) })
	return w.found, nil
}

type walk struct {
	upper string
	found []Override
}

// dir lists the overrides in a directory of the upperdir. lower are the layers that are visible through it.
func (w *walk) dir(name string, lower []Layer) error {
	entries, err := os.ReadDir(filepath.Join(w.upper, name))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.entry(filepath.Join(name, e.Name()), lower); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(name string, lower []Layer) error {
	path := filepath.Join(w.upper, name)
	is, err := os.Lstat(path)
	if err != nil {
		return err
	}
	o := Override{Path: name}
	below, against, err := Lookup(lower, name)
	if err != nil {
		return err
	}
	o.Against = against
	if below != "" {
		if o.Below, err = Fingerprint(below); err != nil {
			return err
		}
	}
	if is.IsDir() {
		return w.directory(o, is, below, lower)
	}
	o.Change, err = change(path, is, below)
	if err == nil {
		w.found = append(w.found, o)
	}
	return err
}

// directory lists a directory and the overrides in it.
func (w *walk) directory(o Override, is fs.FileInfo, below string, lower []Layer) error {
	path := filepath.Join(w.upper, o.Path)
	opaque, err := marked(path, "opaque")
	if err != nil {
		return err
	}
	before := len(w.found)
	if opaque {
		lower = nil
	}
	if err := w.dir(o.Path, lower); err != nil {
		return err
	}
	o.Change = Metadata
	switch was, err := os.Lstat(cmp.Or(below, path)); {
	case err != nil:
		return err
	case opaque && below != "":
		o.Change = Replaced
	case below == "" && len(w.found) > before, below != "" && was.IsDir() && sameMetadata(is, was):
		return nil // its files are listed
	case below == "":
		o.Change = Added
	case !was.IsDir():
		o.Change = Changed
	}
	w.found = append(w.found, o)
	return nil
}

// change compares a file of the upperdir with the file below it, whose path is "" if there is none.
func change(path string, is fs.FileInfo, below string) (Change, error) {
	if whiteout(is) {
		return Deleted, nil
	}
	if below == "" {
		return Added, nil
	}
	was, err := os.Lstat(below)
	if err != nil {
		return "", err
	}
	if is.Mode().IsRegular() {
		if metacopy, err := marked(path, "metacopy"); metacopy || err != nil {
			return Metadata, err
		}
	}
	switch same, err := sameContent(path, is, below, was); {
	case err != nil:
		return "", err
	case !same:
		return Changed, nil
	case !sameMetadata(is, was):
		return Metadata, nil
	}
	return Unchanged, nil
}

// whiteout reports whether a file is a whiteout.
func whiteout(is fs.FileInfo) bool {
	s, ok := is.Sys().(*syscall.Stat_t)
	return ok && is.Mode()&fs.ModeCharDevice != 0 && s.Rdev == 0
}

// marked reports whether a file has the xattr trusted.overlay.opaque or trusted.overlay.metacopy.
func marked(path, mark string) (bool, error) {
	value := make([]byte, 256)
	n, err := syscall.Getxattr(path, "trusted.overlay."+mark, value)
	switch {
	case errors.Is(err, syscall.ENODATA), errors.Is(err, syscall.ENOTSUP):
		return false, nil
	case err != nil:
		return false, &fs.PathError{Op: "getxattr", Path: path, Err: err}
	}
	return mark == "metacopy" || n > 0 && value[0] == 'y', nil
}

// Lookup returns the path of the file that the overlay would show at name if the upperdir had none, and the name of its
// layer. lower is sorted with the nearest layer first. Both results are "" if no layer has the file, or if a nearer layer
// hides it by a file in place of one of its parents.
func Lookup(lower []Layer, name string) (path, layer string, err error) {
	for _, l := range lower {
		switch path, blocked, err := find(l.Dir, name); {
		case err != nil || blocked:
			return "", "", err
		case path != "":
			return path, l.Name, nil
		}
	}
	return "", "", nil
}

// find looks a file up in a layer without following symlinks. It is blocked if a parent is not a directory.
func find(dir, name string) (path string, blocked bool, err error) {
	parts := strings.Split(name, "/")
	path = dir
	for i, part := range parts {
		path = filepath.Join(path, part)
		switch info, err := os.Lstat(path); {
		case errors.Is(err, fs.ErrNotExist):
			return "", false, nil
		case err != nil:
			return "", false, err
		case i < len(parts)-1 && !info.IsDir():
			return "", true, nil
		}
	}
	return path, false, nil
}

func sameMetadata(a, b fs.FileInfo) bool {
	x, y := a.Sys().(*syscall.Stat_t), b.Sys().(*syscall.Stat_t)
	return a.Mode() == b.Mode() && x.Uid == y.Uid && x.Gid == y.Gid
}

func sameContent(path string, is fs.FileInfo, below string, was fs.FileInfo) (bool, error) {
	if is.Mode().Type() != was.Mode().Type() {
		return false, nil
	}
	a, err := content(path, is)
	if err != nil {
		return false, err
	}
	b, err := content(below, was)
	return a == b, err
}

// content returns a text that identifies the type and the content, target or device number of a file.
func content(path string, is fs.FileInfo) (string, error) {
	switch is.Mode().Type() {
	case 0:
		sum, err := sha256sum.File(context.Background(), path)
		return "file " + sum, err
	case fs.ModeSymlink:
		target, err := os.Readlink(path)
		return "symlink " + target, err
	}
	return fmt.Sprintf("%s %d", is.Mode().Type(), is.Sys().(*syscall.Stat_t).Rdev), nil
}

// Fingerprint returns a SHA-256, in hexadecimal, of the type, owner and permissions of a file, and of its content, target or
// device number. Symlinks are not followed. The fingerprint of a directory does not depend on its entries.
func Fingerprint(path string) (string, error) {
	is, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	text, err := content(path, is)
	if err != nil {
		return "", err
	}
	s := is.Sys().(*syscall.Stat_t)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %o %d %d", text, s.Mode, s.Uid, s.Gid))
	return hex.EncodeToString(sum[:]), nil
}
