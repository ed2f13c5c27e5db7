package layers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// Record describes the inputs of a cached layer, and is stored beside it so that `pkbuild why` can say what changed.
type Record struct {
	Name    string          `json:"name"` // what the maintainer sees
	Kind    string          `json:"kind"`
	Version int             `json:"version"`        // of the kind
	Code    string          `json:"code,omitempty"` // likewise
	Spec    json.RawMessage `json:"spec"`           // the layer
	Made    time.Time       `json:"made"`
}

// NewRecord returns the record of a layer, with its name, its inputs and the current time.
func NewRecord(name string, l Layer) (Record, error) {
	spec, err := json.Marshal(l)
	if err != nil {
		return Record{}, fmt.Errorf("record of layer %s: %w", name, err)
	}
	return Record{Name: name, Kind: l.Kind().Name, Version: l.Kind().Version, Code: l.Kind().Code, Spec: spec, Made: time.Now().UTC().Truncate(time.Second)}, nil
}

// Record returns the record of a cached layer, which describes its inputs; the zero Record for a layer that an old version
// cached without one. It returns fs.ErrNotExist if the layer is not cached.
func (s Store) Record(key Key) (r Record, err error) {
	if _, err := os.Stat(s.found(s.path(key))); err != nil {
		return r, err
	}
	data, err := os.ReadFile(s.found(s.record(key)))
	if os.IsNotExist(err) {
		return r, nil // made before there were records
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", s.record(key), err)
	}
	return r, nil
}

func (s Store) record(key Key) string { return filepath.Join(s.Dir, key.String()+".json") }

func (s Store) writeRecord(key Key, r Record) error {
	return WriteJSON(s.record(key), r)
}

// WriteJSON durably replaces a file with the JSON encoding of v.
func WriteJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return atomicfile.Write(name, data, 0o644)
}
