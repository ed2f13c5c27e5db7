package stages

import (
	"fmt"

	"github.com/goccy/go-yaml"
)

// The directory of the store on the device, and the names of files in the store and its bundles.
const (
	Dir          = "/var/lib/forklift/stages"
	StoreFile    = "forklift-stage-store.yml"
	StateFile    = "boot-state.json"
	ManifestFile = "forklift-bundle.yml"
)

// storeVersion is the oldest version of Forklift that reads the store file written here.
const storeVersion = "v0.7.0"

// Store is the content of a stage store's store file, in Forklift's format.
type Store struct {
	ForkliftVersion string `yaml:"forklift-version"`
	Staged          Staged `yaml:"staged"`
}

// Staged is the part of the store file that refers to stages: the next one, the history of good ones, and names.
type Staged struct {
	Next       int            `yaml:"next,omitempty"`        // stage of the next boot; 0 means none
	NextFailed bool           `yaml:"next-failed,omitempty"` // the verdict on the next stage was "failed"
	History    []int          `yaml:"history,omitempty"`     // proven stages, the current one last
	Names      map[string]int `yaml:"names,omitempty"`       // stages by the names that users gave them
}

// EmptyStore returns the store file of a device that has no stages yet.
func EmptyStore() Store { return Store{ForkliftVersion: storeVersion} }

// NewStore returns the store file of a new device with one stage, bundle, which is next, proven, and has the given
// names.
func NewStore(bundle int, names ...string) Store {
	s := EmptyStore()
	s.Staged = Staged{Next: bundle, History: []int{bundle}}
	for _, n := range names {
		if s.Staged.Names == nil {
			s.Staged.Names = map[string]int{}
		}
		s.Staged.Names[n] = bundle
	}
	return s
}

// ParseStore parses a store file. It ignores unknown keys, as Forklift does.
func ParseStore(data []byte) (Store, error) {
	var s Store
	if err := parseYAML(StoreFile, data, &s); err != nil {
		return Store{}, err
	}
	return s, nil
}

// parseYAML decodes YAML. Its errors have one line, without the excerpt that the library appends.
func parseYAML(name string, data []byte, v any) error {
	if err := yaml.Unmarshal(data, v); err != nil {
		return fmt.Errorf("parse %s: %s", name, yaml.FormatError(err, false, false))
	}
	return nil
}

// Marshal encodes the store file as Forklift does.
func (s Store) Marshal() ([]byte, error) {
	data, err := yaml.MarshalWithOptions(s, yaml.Indent(4), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", StoreFile, err)
	}
	return data, nil
}

// Current returns the stage with the latest good verdict; 0 if there is none.
func (s Staged) Current() int {
	if len(s.History) == 0 {
		return 0
	}
	return s.History[len(s.History)-1]
}
