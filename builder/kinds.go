package builder

import (
	"fmt"
	"reflect"

	"github.com/PlanktoScope/pkbuild/images/docker/create"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/boot"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/layers/diskimage"
	"github.com/PlanktoScope/pkbuild/layers/script"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// layerKind is a kind of layer.
type layerKind struct {
	field     string                               // key in a layer of a recipe; empty for a layer that no recipe lists
	compile   func(*compiler, recipes.Layer) error // adds the recipe's layer to the plan
	prototype layers.Layer                         // zero value of the layer in the plan
}

// layerKinds is the table of all kinds of layers. To add one, add its field to recipes.Layer, a package below layers,
// and a row here.
func layerKinds() []layerKind {
	return []layerKind{
		{"", nil, diskimage.Layer{}},
		{"", nil, boot.Layer{}},
		{"packages", compilePackages, debian.Layer{}},
		{"install", compiledBefore, debian.Layer{}},
		{"files", compileFiles, layers.Files{}},
		{"users", compileUsers, layers.Users{}},
		{"run", compileRun, script.Layer{}},
		{"stage", compileStage, layers.Files{}},
		{"containers", compiledAfter, create.Layer{}},
	}
}

// compiledBefore is for fields whose layers lie below all others: see compileBase.
func compiledBefore(*compiler, recipes.Layer) error { return nil }

// compiledAfter is for fields whose layers together make one layer above all others: see compileContainers.
func compiledAfter(*compiler, recipes.Layer) error { return nil }

// layer compiles a layer of the recipe.
func (c *compiler) layer(l recipes.Layer) error {
	for _, kind := range layerKinds() {
		if kind.field == l.Kind() && kind.compile != nil {
			return kind.compile(c, l)
		}
	}
	return fmt.Errorf("internal error: layer kind %q of the recipe is not in the table of layer kinds", l.Kind())
}

// newLayer returns a pointer to a new layer of the type that has a kind's name.
func newLayer(kind string) (reflect.Value, error) {
	for _, k := range layerKinds() {
		if k.prototype.Kind().Name == kind {
			return reflect.New(reflect.TypeOf(k.prototype)), nil
		}
	}
	return reflect.Value{}, fmt.Errorf("plan has a layer of the unknown kind %q", kind)
}
