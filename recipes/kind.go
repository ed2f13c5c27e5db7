package recipes

import "reflect"

// LayerKinds returns the kinds of layers that a recipe can have, such as "files" and "users", in the order of the fields of
// Layer.
func LayerKinds() []string {
	var kinds []string
	for i := range reflect.TypeFor[Layer]().NumField() {
		kinds = append(kinds, layerKind(i))
	}
	return kinds
}

// Kind returns the kind of the layer, such as "files": the key that the recipe gives it, or "" if there is none.
func (l Layer) Kind() string {
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			return layerKind(i)
		}
	}
	return ""
}

func layerKind(i int) string { return reflect.TypeFor[Layer]().Field(i).Tag.Get("yaml") }
