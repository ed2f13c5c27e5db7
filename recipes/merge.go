package recipes

import (
	"reflect"
	"slices"
)

// mergeAll merges files; later files override earlier ones.
func mergeAll(files []*node) *node {
	merged := files[0]
	for _, file := range files[1:] {
		merged = merge(reflect.TypeFor[Recipe](), merged, file)
	}
	return merged
}

// merge merges two values of a type without changing them: mappings by key, and any other value is replaced by the upper
// one.
func merge(t reflect.Type, under, over *node) *node {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if under.kind != mapping || over.kind != mapping {
		return over
	}
	switch t.Kind() {
	case reflect.Struct:
		return mergeStruct(t, under, over)
	case reflect.Map:
		return mergeEntries(under, over, func(string) (field, bool) { return field{typ: t.Elem()}, true })
	default:
		return over
	}
}

// mergeStruct merges by field. A field of a group of alternatives replaces the lower field of that group.
func mergeStruct(t reflect.Type, under, over *node) *node {
	fields := fieldsOf(t)
	given := map[string]bool{}
	for _, f := range fields {
		if f.oneof != "" && over.entry(f.name) != nil {
			given[f.oneof] = true
		}
	}
	rest := *under
	rest.entries = slices.DeleteFunc(slices.Clone(under.entries), func(e entry) bool {
		f, ok := findField(fields, e.key)
		return ok && given[f.oneof] && over.entry(e.key) == nil
	})
	return mergeEntries(&rest, over, func(key string) (field, bool) { return findField(fields, key) })
}

// mergeEntries merges two mappings, whose fields known returns.
func mergeEntries(under, over *node, known func(key string) (field, bool)) *node {
	merged := *over
	merged.entries = slices.Clone(under.entries)
	for _, e := range over.entries {
		below := under.get(e.key)
		f, ok := known(e.key)
		switch {
		case below == nil || !ok:
		case f.appended && below.kind == list && e.value.kind == list:
			both := *e.value
			both.items = slices.Concat(below.items, e.value.items)
			e.value = &both
		default:
			e.value = merge(f.typ, below, e.value)
		}
		merged.set(e)
	}
	return &merged
}
