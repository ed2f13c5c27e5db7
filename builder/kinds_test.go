package builder

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/recipes"
)

// TestLayerKinds: every field of a recipe's layer is compiled by one row of the table, and a kind's name has one type.
func TestLayerKinds(t *testing.T) {
	var fields []string
	types := map[string]reflect.Type{}
	for _, k := range layerKinds() {
		if k.field != "" {
			fields = append(fields, k.field)
			require.NotNil(t, k.compile, k.field)
		}
		name, typ := k.prototype.Kind().Name, reflect.TypeOf(k.prototype)
		if known := types[name]; known != nil {
			require.Equal(t, known, typ, name)
		}
		types[name] = typ
	}
	require.ElementsMatch(t, recipes.LayerKinds(), fields, "add the field of recipes.Layer to layerKinds")
}

func TestUnknownLayerKindIsAnInternalError(t *testing.T) {
	c := compiler{sources: gather(t, &recipes.Recipe{}), plan: &Plan{}}
	require.EqualError(t, c.layer(recipes.Layer{}), `internal error: layer kind "" of the recipe is not in the table of layer kinds`)
}

// TestPlanHoldsKnownKindsOnly: a layer of a type that the table lacks could be written to a plan and not read back.
func TestPlanHoldsKnownKindsOnly(t *testing.T) {
	var known []reflect.Type
	for _, k := range layerKinds() {
		known = append(known, reflect.TypeOf(k.prototype))
	}
	for _, name := range []string{"planktoscope", "raspios", "containers/caddy"} {
		for _, l := range compileShipped(t, name).Layers {
			require.True(t, slices.Contains(known, reflect.TypeOf(l.Layer)), l.Name)
		}
	}
}
