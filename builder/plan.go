package builder

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/images/docker/create"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/diskimage"
	"github.com/PlanktoScope/pkbuild/layers/script"
)

// PlanVersion is the version of the plan's format.
const PlanVersion = 1

// Plan is all that a build obeys. Its JSON is what `pkbuild plan` prints.
type Plan struct {
	Version      int               `json:"version"`
	Name         string            `json:"name"`
	Architecture string            `json:"architecture"`
	Date         time.Time         `json:"date"` // the time of the image: no file is younger
	Layers       []Layer           `json:"layers"`
	Disk         disk.Layout       `json:"disk,omitzero"`
	Container    *v1.ImageConfig   `json:"container,omitempty"` // of a container, which has no disk
	Secrets      map[string]Secret `json:"secrets,omitempty"`
}

// Secret is where the value of a secret is found, never the value. One field is set.
type Secret struct {
	Env  string `json:"env,omitempty"`  // environment variable
	File string `json:"file,omitempty"` // relative to the recipe's directory
}

// Layer is one layer of a plan, lowest first.
type Layer struct {
	Name  string // what the maintainer sees
	Layer layers.Layer
}

// kinds lists every kind of layer that a plan can hold.
func kinds() []layers.Layer {
	return []layers.Layer{
		diskimage.Layer{}, debian.Layer{}, layers.Files{}, layers.Users{}, script.Layer{}, create.Layer{}, boot.Layer{},
	}
}

// stored tells of each layer whether the store keeps it. It does not keep what is made in no time, what holds secrets,
// nor what copies from a tree with secrets.
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

// MarshalJSON implements json.Marshaler.
func (l Layer) MarshalJSON() ([]byte, error) {
	spec, err := json.Marshal(l.Layer)
	if err != nil {
		return nil, err
	}
	return json.Marshal(layerJSON{Name: l.Name, Kind: l.Layer.Kind().Name, Spec: spec})
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *Layer) UnmarshalJSON(data []byte) error {
	var raw layerJSON
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for _, kind := range kinds() {
		if kind.Kind().Name != raw.Kind {
			continue
		}
		spec := reflect.New(reflect.TypeOf(kind))
		if err := json.Unmarshal(raw.Spec, spec.Interface()); err != nil {
			return fmt.Errorf("layer %s: %w", raw.Name, err)
		}
		l.Name, l.Layer = raw.Name, spec.Elem().Interface().(layers.Layer)
		return nil
	}
	return fmt.Errorf("layer %s: unknown kind %q", raw.Name, raw.Kind)
}
