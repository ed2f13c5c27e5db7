// Package ondisk describes structures as they lie on disk, which are Go structs of fixed size without padding.
package ondisk

import (
	"encoding/binary"
	"reflect"
)

// FieldAt returns the name of the struct field at an offset in bytes, for messages about on-disk structures; inside an
// embedded struct it names the embedded struct's field. Beyond the last field it returns "_".
func FieldAt(t reflect.Type, offset int) string {
	for i := range t.NumField() {
		f := t.Field(i)
		size := binary.Size(reflect.Zero(f.Type).Interface())
		switch {
		case offset >= size:
			offset -= size
		case f.Anonymous:
			return FieldAt(f.Type, offset)
		default:
			return f.Name
		}
	}
	return "_"
}
