package builder

import (
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers"
)

// PlanVersion is the version of the plan's format.
const PlanVersion = 1

// Plan is the complete description of an image, and the only input of a build besides the files that it names by digest.
// `pkbuild plan` prints its JSON.
type Plan struct {
	Version      int               `json:"version"`
	Name         string            `json:"name"`
	Architecture string            `json:"architecture"`
	Date         time.Time         `json:"date"` // of the image: no file is younger
	Layers       []Layer           `json:"layers"`
	Disk         disk.Layout       `json:"disk,omitzero"`
	Container    *v1.ImageConfig   `json:"container,omitempty"` // of a container image, which has no disk
	Secrets      map[string]Secret `json:"secrets,omitempty"`
}

// Secret says where a build reads a secret: from an environment variable or from a file. It never holds the value.
type Secret struct {
	Env  string `json:"env,omitempty"`  // environment variable
	File string `json:"file,omitempty"` // relative to the recipe's directory
}

// Layer is a named layer of the root file system in a plan.
type Layer struct {
	Name  string // for people
	Layer layers.Layer
}

// stored reports for each layer whether the cache keeps it. Layers that are quick to make, hold secrets, or copy from a
// tree with secrets are not kept.
func (p *Plan) stored() []bool {
	secret := false
	var out []bool
	for _, l := range p.Layers {
		kind := l.Layer.Kind()
		out = append(out, !kind.Kept && !kind.Secret && !(secret && kind.Copies))
		secret = secret || kind.Secret
	}
	return out
}

type layerJSON struct {
	Name string          `json:"name"`
	Kind string          `json:"kind"`
	Spec json.RawMessage `json:"spec"`
}

// MarshalJSON encodes the layer as its name, its kind and, in "spec", its fields.
func (l Layer) MarshalJSON() ([]byte, error) {
	spec, err := json.Marshal(l.Layer)
	if err != nil {
		return nil, err
	}
	return json.Marshal(layerJSON{Name: l.Name, Kind: l.Layer.Kind().Name, Spec: spec})
}

// UnmarshalJSON decodes a layer of a plan by its "kind" key. It fails for a kind that is not in the table of layer
// kinds.
func (l *Layer) UnmarshalJSON(data []byte) error {
	var raw layerJSON
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	spec, err := newLayer(raw.Kind)
	if err == nil {
		err = json.Unmarshal(raw.Spec, spec.Interface())
	}
	if err != nil {
		return fmt.Errorf("layer %s: %w", raw.Name, err)
	}
	l.Name, l.Layer = raw.Name, spec.Elem().Interface().(layers.Layer)
	return nil
}
