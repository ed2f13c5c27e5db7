package recipes

import (
	"reflect"
	"slices"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// decoder decodes nodes into a Recipe by its types, and reports mistakes.
type decoder struct {
	isDir    func(name string) (bool, error)
	dir      string                   // of the recipe
	whole    bool                     // all files are merged, so required keys must be present
	from     map[any]*node            // the node of each value, by pointer to the value
	fields   map[reflect.Type][]field // cache of fieldsOf
	unused   map[string]bool          // secrets that need not be used
	problems *Problems
}

func (l *loader) decoder(dir string) *decoder {
	return &decoder{
		isDir: l.isDir, dir: dir, from: map[any]*node{}, fields: map[reflect.Type][]field{}, problems: &l.problems,
	}
}

// recipe decodes the root of a file.
func (d *decoder) recipe(root *node) *Recipe {
	r := &Recipe{}
	d.value(root, field{}, reflect.ValueOf(r).Elem())
	return r
}

// value decodes a node into a value of any type, under the constraints of the field to which it belongs.
func (d *decoder) value(n *node, f field, v reflect.Value) {
	if v.CanAddr() {
		d.from[v.Addr().Interface()] = n
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, f, v.Elem())
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Map:
		d.mapping(n, f, v)
	case reflect.Slice:
		d.list(n, f, v)
	case reflect.Uint32:
		d.number(n, v)
	case reflect.Bool:
		d.boolean(n, v)
	case reflect.String:
		d.text(n, f, v)
	default:
		panic("recipes cannot hold " + v.Type().String())
	}
}

// structure decodes a mapping with known keys.
func (d *decoder) structure(n *node, v reflect.Value) {
	fields := d.fieldsOf(v.Type())
	if n.kind != mapping {
		d.mismatch(n, mapping, "the keys are "+enumerate(namesOf(fields, "")))
		return
	}
	for _, e := range n.entries {
		if _, ok := findField(fields, e.key); !ok {
			d.unknown(e, namesOf(fields, ""))
		}
	}
	for _, group := range groupsOf(fields) {
		d.exactlyOne(n, namesOf(fields, group))
	}
	for _, f := range fields {
		if value := n.get(f.name); value != nil {
			d.value(value, f, v.Field(f.index))
		} else {
			d.absent(n, f, v.Field(f.index))
		}
	}
}

// absent sets the default of a missing key, and reports a required one.
func (d *decoder) absent(n *node, f field, v reflect.Value) {
	switch {
	case f.required && d.whole:
		d.problems.add(n.position, "%s is missing; add it: %s", quote(f.name), f.hint)
	case v.Kind() == reflect.Struct:
		for _, inner := range d.fieldsOf(v.Type()) {
			d.absent(n, inner, v.Field(inner.index))
		}
	default:
		f.setDefault(v)
	}
}

// unknown reports an unknown key.
func (d *decoder) unknown(e entry, names []string) {
	if near := spelling.Nearest(e.key, names); near != "" {
		d.problems.add(e.at, "unknown key; did you mean %s?", quote(near))
		return
	}
	d.problems.add(e.at, "unknown key; known keys are %s", enumerate(names))
}

// exactlyOne reports a mapping with none or several of the keys.
func (d *decoder) exactlyOne(n *node, names []string) {
	var given []entry
	for _, e := range n.entries {
		if slices.Contains(names, e.key) {
			given = append(given, e)
		}
	}
	if len(given) == 0 {
		d.problems.add(n.position, "key is missing: add %s", oneOf(names))
		return
	}
	for _, e := range given[1:] {
		at := position{e.at.file, e.at.line, e.at.column, n.path}
		d.problems.add(at, "cannot have both %s and %s; keep one of them", given[0].key, e.key)
	}
}

// oneOf formats the choice between keys.
func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return "exactly one of " + enumerate(names)
}

// mapping decodes a mapping with free keys.
func (d *decoder) mapping(n *node, f field, v reflect.Value) {
	if n.kind != mapping {
		d.mismatch(n, mapping, "write name: value")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range n.entries {
		if f.pattern != nil && !f.pattern.MatchString(e.key) {
			d.problems.add(e.at, "name is invalid; write %s", f.hint)
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, field{}, value)
		v.SetMapIndex(reflect.ValueOf(e.key), value)
	}
}

// list decodes a list.
func (d *decoder) list(n *node, f field, v reflect.Value) {
	if n.kind != list {
		d.mismatch(n, list, "put it in brackets, or behind a dash in a line of its own")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, one := range n.items {
		d.value(one, f, v.Index(i))
	}
}

// mismatch reports a node of the wrong kind, unless a mistake in it is reported already.
func (d *decoder) mismatch(n *node, want kind, remedy string) {
	switch n.kind {
	case broken:
	case null:
		d.problems.add(n.position, "value is missing; add one, or remove the key")
	default:
		d.problems.add(n.position, "expected %s, not %s; %s", want, n.kind, remedy)
	}
}

// fieldsOf returns the fields of a type from a cache, since reading them compiles patterns.
func (d *decoder) fieldsOf(t reflect.Type) []field {
	fields, ok := d.fields[t]
	if !ok {
		fields = fieldsOf(t)
		d.fields[t] = fields
	}
	return fields
}
