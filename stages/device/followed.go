package device

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// followedFile says what upgrades follow, beside the stages. Forklift has one of the same content in a user's home.
const followedFile = "pallet-upgrades.yml"

// Followed is the pallet, and the branch, tag or commit (the query) of it, from which pkctl pallet upgrade gets new
// versions.
type Followed struct {
	Path  string `yaml:"path" json:"path"`
	Query string `yaml:"version-query" json:"query"`
}

// ParseFollowed parses PATH@QUERY: the path of a pallet, and a branch, tag or commit.
func ParseFollowed(text string) (Followed, error) {
	path, query, ok := strings.Cut(text, "@")
	if !ok || path == "" || query == "" {
		return Followed{}, fmt.Errorf("%q is not of the form PATH@QUERY, such as github.com/PlanktoScope/pallet-standard@stable", text)
	}
	return Followed{path, query}, nil
}

func (f Followed) String() string { return f.Path + "@" + f.Query }

// Followed returns the pallet and the branch, tag or commit that pkctl pallet upgrade follows. It fails if none is
// followed.
func (d Device) Followed() (f Followed, err error) {
	name := filepath.Join(d.Store, followedFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(d.Store); err != nil {
			return f, d.storeError(err)
		}
		return f, errors.New("no pallet is followed: choose one with pkctl pallet switch PATH@QUERY")
	}
	if err != nil {
		return f, d.storeError(err)
	}
	if err := yaml.Unmarshal(data, &f); err != nil || f.Path == "" || f.Query == "" {
		return f, fmt.Errorf("parse %s: no pallet and query in it: write it anew with pkctl pallet switch PATH@QUERY", name)
	}
	return f, nil
}

// write replaces the file. The caller has locked the store.
func (f Followed) write(dir string) error {
	data, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, followedFile), data, 0o644)
}
