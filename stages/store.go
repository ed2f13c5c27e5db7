package stages

import (
	"fmt"

	"github.com/goccy/go-yaml"
)

// Where the store lies on the device, and the names in it.
const (
	Dir          = "/var/lib/forklift/stages"
	StoreFile    = "forklift-stage-store.yml"
	StateFile    = "boot-state.json"
	ManifestFile = "forklift-bundle.yml"
)

// storeVersion is the oldest version of Forklift that reads what we write.
const storeVersion = "v0.7.0"

// Store is the content of the store file, in Forklift's format.
type Store struct {
	ForkliftVersion string `yaml:"forklift-version"`
	Staged          Staged `yaml:"staged"`
}

// Staged says which bundles are in use.
type Staged struct {
	Next       int            `yaml:"next,omitempty"`        // the stage to start with; 0 means none
	NextFailed bool           `yaml:"next-failed,omitempty"` // whether it was tried and found bad
	History    []int          `yaml:"history,omitempty"`     // proven stages, the current one last
	Names      map[string]int `yaml:"names,omitempty"`
}

// EmptyStore is the store of a device that has no bundle.
func EmptyStore() Store { return Store{ForkliftVersion: storeVersion} }

// NewStore is the store of a new device, whose only bundle counts as proven and bears the names.
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

// ParseStore reads a store file. Keys that it does not know are ignored, as Forklift ignores them.
func ParseStore(data []byte) (Store, error) {
	var s Store
	if err := parseYAML(StoreFile, data, &s); err != nil {
		return Store{}, err
	}
	return s, nil
}

// parseYAML gives errors in one line: the parser's own quote the text.
func parseYAML(name string, data []byte, v any) error {
	if err := yaml.Unmarshal(data, v); err != nil {
		return fmt.Errorf("parse %s: %s", name, yaml.FormatError(err, false, false))
	}
	return nil
}

// Marshal writes the store file, indented as Forklift does.
func (s Store) Marshal() ([]byte, error) {
	data, err := yaml.MarshalWithOptions(s, yaml.Indent(4), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", StoreFile, err)
	}
	return data, nil
}

// Current is the stage that was last found good; 0 if there is none.
func (s Staged) Current() int {
	if len(s.History) == 0 {
		return 0
	}
	return s.History[len(s.History)-1]
}
