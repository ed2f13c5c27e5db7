package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
)

// DigestFile is the file of a bundle that says what the bundle was when it was staged.
const DigestFile = "digests.json"

// digestVersion is the version of the format of the digest file.
const digestVersion = 1

// Type is what an entry of a bundle is.
type Type string

// The types.
const (
	Regular   Type = "file"
	Directory Type = "directory"
	Symlink   Type = "symlink"
)

// Entry is one file, directory or symlink of a bundle.
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

// NewEntry is the entry of a file, with the SHA-256 of its content in hexadecimal, a directory, or a symlink with its
// target, as its mode says.
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

// MarshalDigests writes the digest file of a bundle with these entries, itself not among them.
func MarshalDigests(entries []Entry) ([]byte, error) {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	data, err := json.MarshalIndent(digests{digestVersion, entries}, "", " ")
	return append(data, '\n'), err
}

// ErrNoDigests says that a bundle was staged by a tool that took none.
var ErrNoDigests = errors.New("no digests were taken when it was staged")

// Verify compares a bundle with what it was when it was staged, and returns each difference in words. A file that root
// does not own is one, since whoever owns it may change it.
func Verify(store fs.FS, stage int) (differences []string, err error) {
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
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify stage %d: %w", stage, err)
	}
	for name := range want {
		differences = append(differences, name+": is missing")
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

// compare compares an entry with what it was, and takes it off the list.
func compare(bundle fs.FS, name string, d fs.DirEntry, want map[string]Entry) ([]string, error) {
	differences, err := owned(name, d)
	if err != nil || name == "." || name == DigestFile {
		return differences, err
	}
	was, known := want[name]
	if !known {
		return append(differences, name+": was not there"), nil
	}
	delete(want, name)
	is, err := found(bundle, name, d)
	return append(differences, differ(was, is)...), err
}

// found says what is at a path now.
func found(bundle fs.FS, name string, d fs.DirEntry) (Entry, error) {
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
		sum, err := digest(bundle, name)
		return regular(name, info.Mode(), sum), err
	}
	return Entry{Path: name, Type: Type(info.Mode().Type().String())}, nil
}

func digest(bundle fs.FS, name string) (sum [sha256.Size]byte, err error) {
	f, err := bundle.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [sha256.Size]byte(h.Sum(nil)), err
}

// differ says in what an entry is not what it was.
func differ(was, is Entry) []string {
	if was.Type != is.Type {
		return []string{fmt.Sprintf("%s: was a %s and is a %s", was.Path, was.Type, is.Type)}
	}
	var out []string
	if was.SHA256 != is.SHA256 {
		out = append(out, was.Path+": has another content")
	}
	if was.Mode != is.Mode {
		out = append(out, fmt.Sprintf("%s: its mode was %s and is %s", was.Path, was.Mode, is.Mode))
	}
	if was.Target != is.Target {
		out = append(out, fmt.Sprintf("%s: led to %s and leads to %s", was.Path, was.Target, is.Target))
	}
	return out
}

// owned says who owns an entry, unless it is root; or where the file system knows no owners.
func owned(name string, d fs.DirEntry) ([]string, error) {
	info, err := d.Info()
	if err != nil {
		return nil, err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 {
		return []string{fmt.Sprintf("%s: belongs to user %d and not to root", name, s.Uid)}, nil
	}
	return nil, nil
}
