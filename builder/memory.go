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

// Made is a layer of a build that is over.
type Made struct {
	Key string `json:"key"`
	layers.Record
}

// lastBuild is what the cache remembers of the last build of a recipe.
type lastBuild struct {
	Dir    string    `json:"dir"`
	Name   string    `json:"name"`
	Time   time.Time `json:"time"`
	Layers []Made    `json:"layers"`
}

// memoryFile is where the last build of a recipe is remembered.
func memoryFile(name string, o Options) (file, dir string, err error) {
	dir, err = filepath.Abs(o.Dir)
	sum := sha256.Sum256([]byte(dir + "\x00" + name))
	return filepath.Join(o.Cache, "builds", fmt.Sprintf("%s-%.6x.json", name, sum)), dir, err
}

// remember notes what the layers of this build were made from, for Why. A cache that is only read remembers nothing.
func (b *build) remember() error {
	file, dir, err := memoryFile(b.plan.Name, b.opts)
	if err != nil {
		return err
	}
	err = os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = layers.WriteJSON(file, lastBuild{dir, b.plan.Name, time.Now().UTC().Truncate(time.Second), b.made})
	}
	if readOnly(err) {
		return nil
	}
	return err
}

// recall reads what the last build of a plan's recipe was; nil if there was none.
func recall(p *Plan, o Options) (*lastBuild, error) {
	file, _, err := memoryFile(p.Name, o)
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

// unlocked says what a layer of the store was made of where no lock does; else it is empty.
func unlocked(l Layer, s layers.Store, key layers.Key) string {
	d, ok := l.Layer.(debian.Layer)
	if !ok || d.Lock != nil {
		return ""
	}
	r, err := s.Record(key)
	if err != nil || r.Made.IsZero() {
		return "not locked: the packages are those of the day when it was made"
	}
	return "not locked: the packages are those of " + r.Made.Local().Format("2006-01-02 15:04")
}
