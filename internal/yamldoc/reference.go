package yamldoc

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

// Reference returns the documentation of a YAML format, the keys of the struct type t and of all nested ones, as tables
// in Markdown.
func Reference(t reflect.Type, title string) string {
	var b strings.Builder
	writeTable(&b, t, title, map[reflect.Type]bool{})
	return b.String()
}

func writeTable(b *strings.Builder, t reflect.Type, title string, done map[reflect.Type]bool) {
	if done[t] {
		return
	}
	done[t] = true
	fields := fieldsOf(t)
	fmt.Fprintf(b, "\n## %s\n\n", title)
	for _, group := range groupsOf(fields) {
		fmt.Fprintf(b, "Exactly one of `%s` is present.\n\n", strings.Join(namesOf(fields, group), "`, `"))
	}
	for _, f := range fields {
		if f.short {
			fmt.Fprintf(b, "A single value in place of the mapping is `%s`.\n\n", f.name)
		}
	}
	b.WriteString("| key | value | meaning |\n|---|---|---|\n")
	for _, f := range fields {
		meaning := f.doc
		if f.enum != nil {
			meaning += " One of `" + strings.Join(f.enum, "`, `") + "`."
		}
		if f.required {
			meaning += " Required."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.name, kindOf(f.typ), strings.ReplaceAll(meaning, "|", `\|`))
	}
	for _, f := range fields {
		if inner := structOf(f.typ); inner != nil {
			writeTable(b, inner, "`"+f.name+"`", done)
		}
	}
}

// structOf returns the struct within a type, nil if there is none.
func structOf(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return structOf(t.Elem())
	case reflect.Struct:
		if !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return t
		}
	}
	return nil
}

// kindOf names the values of a type.
func kindOf(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return strings.ToLower(t.Name())
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Slice:
		return "list of " + kindOf(t.Elem()) + "s"
	case reflect.Map:
		return "by name: " + kindOf(t.Elem())
	case reflect.Struct:
		return "mapping"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "number"
	}
	return "string"
}
