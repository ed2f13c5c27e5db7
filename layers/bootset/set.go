package bootset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Names of files and directories of the boot partition.
const (
	Manifest   = "set.json"   // in the directory of a set, written last
	TriedMark  = "tried"      // in the directory of a set that was started on trial
	ConfigFile = "config.txt" // names the selected set
	TryFile    = "tryboot.txt"
	prefix     = "boot-"
	version    = 1
)

// Files that each set has.
const (
	Kernel    = "vmlinuz"
	Initramfs = "initramfs.img"
	Cmdline   = "cmdline.txt"
	Launch    = "launch.txt" // command line that starts another set by kexec
)

// Set is a boot set: the files with which one kernel boots, in a numbered directory of the boot partition.
type Set struct {
	Number   int             `json:"number"`
	Kernel   string          `json:"kernel"` // version, such as 7.3.4+deb13-arm64
	Size     int64           `json:"size"`   // bytes of all files
	Selected bool            `json:"selected"`
	Tried    bool            `json:"tried"` // it was started on trial, and not confirmed since
	Problem  string          `json:"problem,omitempty"`
	Files    map[string]File `json:"-"`
}

// File is the size in bytes and the SHA-256, in hexadecimal, of a file of a set.
type File struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// manifest is the content of set.json.
type manifest struct {
	Version int             `json:"version"`
	Kernel  string          `json:"kernel"`
	Files   map[string]File `json:"files"`
}

// DirName returns the name of the directory of a set, such as boot-3.
func DirName(number int) string { return prefix + strconv.Itoa(number) }

// ParseDirName returns the number of a set from the name of its directory, 0 if it is not such a name.
func ParseDirName(name string) int {
	text, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 1 || DirName(n) != name {
		return 0
	}
	return n
}

// FormatManifest returns the content of set.json for the files of a set, by their paths in it.
func FormatManifest(kernel string, files map[string]File) []byte {
	data, err := json.MarshalIndent(manifest{version, kernel, files}, "", " ")
	if err != nil {
		panic(err) // strings and numbers
	}
	return append(data, '\n')
}

// ParseManifest reads the content of set.json. It fails for another format version, for paths that leave the set, and if the
// kernel, the initramfs or the command line is missing.
func ParseManifest(data []byte) (kernel string, files map[string]File, err error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return "", nil, fmt.Errorf("read %s: %w", Manifest, err)
	}
	if m.Version != version {
		return "", nil, fmt.Errorf("read %s: version is %d, want %d", Manifest, m.Version, version)
	}
	for name := range m.Files {
		if path.Clean("/" + name)[1:] != name || name == "" {
			return "", nil, fmt.Errorf("read %s: invalid path %q", Manifest, name)
		}
	}
	for _, name := range []string{Kernel, Initramfs, Cmdline} {
		if _, ok := m.Files[name]; !ok {
			return "", nil, fmt.Errorf("read %s: no file %s", Manifest, name)
		}
	}
	return m.Kernel, m.Files, nil
}

// Digest reads r to its end and returns the size and SHA-256 of its content, as the manifest has them.
func Digest(r io.Reader) (File, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return File{n, hex.EncodeToString(h.Sum(nil))}, err
}

// sorted returns the sets in ascending order of their numbers.
func sorted(sets []Set) []Set {
	slices.SortFunc(sets, func(a, b Set) int { return a.Number - b.Number })
	return sets
}
