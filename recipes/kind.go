package recipes

import "reflect"

// LayerKinds returns the keys of a layer, of which exactly one is given, such as "files".
func LayerKinds() []string {
	var kinds []string
	for i := range reflect.TypeFor[Layer]().NumField() {
		kinds = append(kinds, layerKind(i))
	}
	return kinds
}

// Kind returns the key that the layer was written with, or "" if it has none.
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
