package recipes

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// eachField calls a function for the fields of a type and of all types within.
func eachField(t *testing.T, typ reflect.Type, path string, visit func(path string, f field)) {
	require.LessOrEqual(t, len(groupsOf(fieldsOf(typ))), 1, "the schema of %s has room for one group", typ)
	for _, f := range fieldsOf(typ) {
		visit(keyPath(path, f.name), f)
		if inner, path := structIn(f.typ, keyPath(path, f.name)); inner != nil {
			eachField(t, inner, path, visit)
		}
	}
}

// TestTags checks the tags, from which messages, schema and reference are made.
func TestTags(t *testing.T) {
	eachField(t, reflect.TypeFor[Recipe](), "", func(path string, f field) {
		require.Regexp(t, `^[a-z][a-z0-9-]*$`, f.name, path)
		require.Regexp(t, `^[A-Z].*\.$`, f.doc, "the documentation of %s is a sentence", path)
		require.Equal(t, f.required || f.pattern != nil, f.hint != "", "%s needs a hint, or does not", path)
		require.Contains(t, []string{"", "exists", "dir", "optional", "url", "transport"}, f.path, path)
		require.Contains(t, []string{"", "size", "boot-size", "date", "target", "mount", "partition-size", "bundle", "container", "port", "authorized-key"}, f.format, path)
		require.False(t, f.required && f.defaultValue != "", "%s cannot be required and have a default", path)
		require.NotPanics(t, func() { f.setDefault(reflect.New(f.typ).Elem()) }, path)
		if f.appended {
			require.Equal(t, reflect.Slice, f.typ.Kind(), path)
		}
		requireDefaultFits(t, path, f)
	})
}

// Defaults are valid values.
func requireDefaultFits(t *testing.T, path string, f field) {
	t.Helper()
	standards := []string{f.defaultValue}
	if f.defaultValue == "" {
		return
	}
	if f.typ.Kind() == reflect.Slice {
		standards = f.defaultList()
	}
	for _, standard := range standards {
		require.NoError(t, checkFormat(f.format, standard), path)
		if f.pattern != nil {
			require.Regexp(t, f.pattern, standard, path)
		}
		if len(f.enum) > 0 {
			require.True(t, slices.Contains(f.enum, standard), path)
		}
	}
}
