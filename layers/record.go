package layers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
)

// Record tells what a layer was made from. It is kept beside the layer for people, and decides nothing.
type Record struct {
	Name    string          `json:"name"` // what the maintainer sees
	Kind    string          `json:"kind"`
	Version int             `json:"version"`        // of the kind
	Code    string          `json:"code,omitempty"` // likewise
	Spec    json.RawMessage `json:"spec"`           // the layer
	Made    time.Time       `json:"made"`
}

// NewRecord is the record of a layer that is made now.
func NewRecord(name string, l Layer) (Record, error) {
	spec, err := json.Marshal(l)
	if err != nil {
		return Record{}, fmt.Errorf("record of layer %s: %w", name, err)
	}
	return Record{Name: name, Kind: l.Kind().Name, Version: l.Kind().Version, Code: l.Kind().Code, Spec: spec, Made: time.Now().UTC().Truncate(time.Second)}, nil
}

// Record reads the record of a layer; fs.ErrNotExist if the layer is not there.
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

// WriteJSON writes a value as the whole of a file, complete or not at all.
func WriteJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return atomicfile.Write(name, data, 0o644)
}
