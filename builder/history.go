package builder

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
)

// builtLayer is a layer of an earlier build.
type builtLayer struct {
	Key string `json:"key"`
	layers.Record
}

// lastBuild is the record in the cache of the last build of a recipe.
type lastBuild struct {
	Dir    string       `json:"dir"`
	Name   string       `json:"name"`
	Time   time.Time    `json:"time"`
	Layers []builtLayer `json:"layers"`
}

// historyFile returns the file with the last build of a recipe in a directory, and the absolute path of that directory.
func historyFile(cache, dir, name string) (file, abs string, err error) {
	abs, err = filepath.Abs(dir)
	sum := sha256.Sum256([]byte(abs + "\x00" + name))
	return filepath.Join(cache, "builds", fmt.Sprintf("%s-%.6x.json", name, sum)), abs, err
}

// saveHistory records the inputs of this build's layers, for Why. A read-only cache records nothing.
func (b *build) saveHistory() error {
	file, dir, err := historyFile(b.Cache, b.Dir, b.plan.Name)
	if err != nil {
		return err
	}
	return writeRecord(file, lastBuild{dir, b.plan.Name, time.Now().UTC().Truncate(time.Second), b.built})
}

// writeRecord writes a value into the cache, unless the cache is read-only.
func writeRecord(file string, v any) error {
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = layers.WriteJSON(file, v)
	}
	if readOnly(err) {
		return nil
	}
	return err
}

// readHistory returns the last build of a recipe, or nil if the cache has none.
func readHistory(cache, dir, name string) (*lastBuild, error) {
	file, _, err := historyFile(cache, dir, name)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	last := &lastBuild{}
	if err := json.Unmarshal(data, last); err != nil {
		return nil, nil // of another version of pkbuild
	}
	return last, nil
}

// unlockedNote returns a note on the age of a cached layer's packages, or "" if a lock pins them.
func unlockedNote(l Layer, s layers.Store, key layers.Key) string {
	d, ok := l.Layer.(debian.Layer)
	if !ok || d.Lock != nil {
		return ""
	}
	r, err := s.Record(key)
	if err != nil || r.Made.IsZero() {
		return "not locked: packages as of an earlier build"
	}
	return "not locked: packages as of " + r.Made.Local().Format("2006-01-02 15:04")
}
