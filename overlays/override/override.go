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

// Change is what the user did to a file.
type Change string

// The changes.
const (
	Added     Change = "added"     // nothing lies below it
	Changed   Change = "changed"   // it has another content, target or type
	Metadata  Change = "metadata"  // only its owner or permissions are others
	Unchanged Change = "unchanged" // it is a copy that is as what lies below, and hides its updates all the same
	Deleted   Change = "deleted"
	Replaced  Change = "replaced" // a directory that hides the whole one below
)

// Override is a file of the user's that hides what lies below.
type Override struct {
	Path    string `json:"path"` // in the overlay, such as hostname for /etc/hostname
	Change  Change `json:"change"`
	Against string `json:"against,omitempty"` // name of the layer whose file it hides
	Below   string `json:"below,omitempty"`   // fingerprint of that file
}

// Layer is a directory below the user's.
type Layer struct {
	Name string // such as "stage 3"
	Dir  string
}

// Overrides lists what the user changed: the files of an upperdir, against the layers below it, nearest first. A
// directory is listed for itself only where it is replaced, deleted, has another owner or other permissions, or is new
// and empty. How the kernel marks what is in an upperdir is in docs.kernel.org/filesystems/overlayfs.
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

// dir lists what is in a directory of the upperdir. The layers are those that show through it.
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

// directory lists a directory and what is in it.
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
		return nil // what is in it tells enough
	case below == "":
		o.Change = Added
	case !was.IsDir():
		o.Change = Changed
	}
	w.found = append(w.found, o)
	return nil
}

// change compares a file of the upperdir with what lies below it; "" if nothing does.
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

// whiteout tells whether a file stands for one that was deleted.
func whiteout(is fs.FileInfo) bool {
	s, ok := is.Sys().(*syscall.Stat_t)
	return ok && is.Mode()&fs.ModeCharDevice != 0 && s.Rdev == 0
}

// marked tells whether the kernel marked a file as opaque or as a copy of the metadata alone.
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

// Lookup finds the file that would show if the user had none, and the name of its layer: that of the nearest layer that
// has one, unless a layer before it has something else than a directory on the way. Both are empty if there is none.
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

// find looks a file up in a layer without following symlinks. It is blocked where something on the way is no directory.
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

// content identifies what a file is besides its owner and permissions.
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

// Fingerprint changes whenever a file's content, target, type, owner or permissions do. Of a directory it says nothing
// about what is in it.
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
