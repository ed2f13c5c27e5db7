package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/internal/sha256sum"
	"github.com/PlanktoScope/pkbuild/stages"
)

// DigestFile is the file of a bundle that lists all its files as they were staged.
const DigestFile = "digests.json"

// digestVersion is the format version of the digest file.
const digestVersion = 1

// Type is the type of an entry in a digest file: file, directory or symlink.
type Type string

// The types.
const (
	Regular   Type = "file"
	Directory Type = "directory"
	Symlink   Type = "symlink"
)

// Entry is one file, directory or symlink in the digest file of a bundle.
type Entry struct {
	Path   string `json:"path"` // relative to the bundle
	Type   Type   `json:"type"`
	Mode   string `json:"mode,omitempty"`   // permissions in octal; a symlink has none of its own
	SHA256 string `json:"sha256,omitempty"` // of a file's content, in hexadecimal
	Target string `json:"target,omitempty"` // of a symlink
}

// digests is the content of the digest file.
type digests struct {
	Version int     `json:"version"`
	Entries []Entry `json:"entries"` // sorted by path
}

// NewEntry returns the digest file's entry for a regular file, with the SHA-256 of its content in hexadecimal, for a
// directory, or for a symlink, with its target. The mode says which.
func NewEntry(name string, mode fs.FileMode, sum, target string) Entry {
	switch mode.Type() {
	case fs.ModeDir:
		return Entry{Path: name, Type: Directory, Mode: octal(mode)}
	case fs.ModeSymlink:
		return Entry{Path: name, Type: Symlink, Target: target}
	}
	return Entry{Path: name, Type: Regular, Mode: octal(mode), SHA256: sum}
}

func regular(name string, mode fs.FileMode, sum [sha256.Size]byte) Entry {
	return NewEntry(name, mode.Perm(), hex.EncodeToString(sum[:]), "")
}

func octal(mode fs.FileMode) string { return fmt.Sprintf("%04o", mode.Perm()) }

// MarshalDigests sorts the entries of a bundle and encodes them as its digest file. entries must not include the digest
// file itself.
func MarshalDigests(entries []Entry) ([]byte, error) {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	data, err := json.MarshalIndent(digests{digestVersion, entries}, "", " ")
	return append(data, '\n'), err
}

// ErrNoDigests is returned for a bundle without a digest file, such as one that Forklift staged.
var ErrNoDigests = errors.New("the bundle has no " + DigestFile + ": it was staged by another tool")

// Verify compares the files of a stage's bundle, except the pins of its images, with its digest file. It returns a
// sentence for each difference, for each file that root does not own, and for a layer that pkinit cannot mount. It fails
// with ErrNoDigests if there is no digest file.
func Verify(store fs.FS, stage int) (differences []string, err error) {
	return verify(store, stage, true)
}

// maxDamage is the number of differences that Damage lists.
const maxDamage = 3

// Damage returns in one line how the files of a bundle differ from their digests, "" if they do not or the bundle has no
// digest file. A bundle that cannot be read is damaged, too. Owners do not count: an idmapped mount shows others. It fails
// if the caller may not read the bundle.
func Damage(store fs.FS, stage int) (string, error) {
	differences, err := verify(store, stage, false)
	switch {
	case errors.Is(err, ErrNoDigests):
		return "", nil
	case errors.Is(err, fs.ErrPermission):
		return "", err
	case err != nil:
		return err.Error(), nil
	}
	if more := len(differences) - maxDamage; more > 0 {
		differences = append(differences[:maxDamage], fmt.Sprintf("%d more", more))
	}
	return strings.Join(differences, "; "), nil
}

func verify(store fs.FS, stage int, owners bool) (differences []string, err error) {
	bundle, err := fs.Sub(store, bundleDir(stage))
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(store, bundleDir(stage)); err != nil {
		return nil, fmt.Errorf("verify stage %d: %w", stage, err)
	}
	want, err := readDigests(bundle)
	if err != nil {
		return nil, fmt.Errorf("verify stage %d: %w", stage, err)
	}
	err = fs.WalkDir(bundle, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		more, err := compare(bundle, name, d, want)
		differences = append(differences, more...)
		if err != nil || !owners {
			return err
		}
		more, err = checkOwner(name, d)
		differences = append(differences, more...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify stage %d: %w", stage, err)
	}
	for name := range want {
		differences = append(differences, name+": missing")
	}
	if err := stages.CheckExports(store, stage); err != nil {
		differences = append(differences, err.Error())
	}
	slices.Sort(differences)
	return differences, nil
}

func readDigests(bundle fs.FS) (map[string]Entry, error) {
	data, err := fs.ReadFile(bundle, DigestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoDigests
	}
	if err != nil {
		return nil, err
	}
	var d digests
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("parse %s: %w", DigestFile, err)
	}
	if d.Version != digestVersion {
		return nil, fmt.Errorf("parse %s: version is %d, want %d", DigestFile, d.Version, digestVersion)
	}
	out := map[string]Entry{}
	for _, e := range d.Entries {
		out[e.Path] = e
	}
	return out, nil
}

// compare returns the differences of a file from its entry in want, and deletes that entry.
func compare(bundle fs.FS, name string, d fs.DirEntry, want map[string]Entry) ([]string, error) {
	if name == "." || name == DigestFile || name == images.PinFile {
		return nil, nil
	}
	was, known := want[name]
	if !known {
		return []string{name + ": added since staging"}, nil
	}
	delete(want, name)
	is, err := readEntry(bundle, name, d)
	return changes(was, is), err
}

// readEntry returns the entry of a file as it is now.
func readEntry(bundle fs.FS, name string, d fs.DirEntry) (Entry, error) {
	info, err := d.Info()
	if err != nil {
		return Entry{}, err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		return Entry{Path: name, Type: Directory, Mode: octal(info.Mode())}, nil
	case fs.ModeSymlink:
		target, err := fs.ReadLink(bundle, name)
		return Entry{Path: name, Type: Symlink, Target: target}, err
	case 0:
		sum, err := sha256sum.FileIn(context.Background(), bundle, name)
		return NewEntry(name, info.Mode().Perm(), sum, ""), err
	}
	return Entry{Path: name, Type: Type(info.Mode().Type().String())}, nil
}

// changes returns a message for each difference between the staged and the present state of a file.
func changes(was, is Entry) []string {
	if was.Type != is.Type {
		return []string{fmt.Sprintf("%s: type changed from %s to %s", was.Path, was.Type, is.Type)}
	}
	var out []string
	if was.SHA256 != is.SHA256 {
		out = append(out, was.Path+": content changed")
	}
	if was.Mode != is.Mode {
		out = append(out, fmt.Sprintf("%s: mode changed from %s to %s", was.Path, was.Mode, is.Mode))
	}
	if was.Target != is.Target {
		out = append(out, fmt.Sprintf("%s: link target changed from %s to %s", was.Path, was.Target, is.Target))
	}
	return out
}

// checkOwner returns a message if the owner of a file is not root. File systems without owners give none.
func checkOwner(name string, d fs.DirEntry) ([]string, error) {
	info, err := d.Info()
	if err != nil {
		return nil, err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 {
		return []string{fmt.Sprintf("%s: owner is user %d, want root", name, s.Uid)}, nil
	}
	return nil, nil
}
