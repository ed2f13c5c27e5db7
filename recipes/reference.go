package recipes

import (
	_ "embed"
	"fmt"
	"reflect"
	"strings"
)

//go:embed reference.md
var introduction string

// Reference returns docs/recipe.md: an introduction, and tables of all keys.
func Reference() []byte {
	var out strings.Builder
	out.WriteString(introduction)
	writeType(&out, "The recipe", "", reflect.TypeFor[Recipe]())
	return []byte(out.String())
}

// writeType writes the table of a type, and those of its fields.
func writeType(out *strings.Builder, title, path string, t reflect.Type) {
	fields := fieldsOf(t)
	fmt.Fprintf(out, "\n## %s\n\n", title)
	for _, group := range groupsOf(fields) {
		if names := namesOf(fields, group); len(names) > 1 {
			fmt.Fprintf(out, "Exactly one of %s is given.\n\n", code(names))
		}
	}
	out.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, f := range fields {
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", f.name, f.typeInWords(path), f.defaultInWords(), f.meaning())
	}
	for _, f := range fields {
		if inner, below := structIn(f.typ, keyPath(path, f.name)); inner != nil {
			writeType(out, "`"+below+"`", below, inner)
		}
	}
}

// structIn returns the struct type within a type and the path of its values, or nil.
func structIn(t reflect.Type, path string) (reflect.Type, string) {
	switch t.Kind() {
	case reflect.Pointer:
		return structIn(t.Elem(), path)
	case reflect.Slice:
		return structIn(t.Elem(), path+"[]")
	case reflect.Map:
		return structIn(t.Elem(), path+".NAME")
	case reflect.Struct:
		return t, path
	}
	return nil, ""
}

// typeInWords returns the type of a field for people, with a link to its table.
func (f field) typeInWords(path string) string {
	inner, table := structIn(f.typ, keyPath(path, f.name))
	link := func(words string) string {
		if inner == nil {
			return strings.Replace(words, "mapping", "string", 1)
		}
		return fmt.Sprintf("[%s](#%s)", words, anchor(table))
	}
	switch f.typ.Kind() {
	case reflect.Slice:
		if f.typ.Elem().Kind() == reflect.Uint32 {
			return "list of numbers"
		}
		return "list of " + link("mappings")
	case reflect.Map:
		return "by name: " + link("mapping")
	case reflect.Uint32:
		return "number"
	case reflect.Bool:
		return "true or false"
	}
	return link("mapping")
}

// anchor returns the link target that Markdown renderers give a heading.
func anchor(heading string) string {
	return strings.ToLower(strings.NewReplacer(".", "", "[", "", "]", "").Replace(heading))
}

func (f field) defaultInWords() string {
	switch {
	case f.required:
		return "required"
	case f.defaultValue != "":
		return code([]string{f.defaultValue})
	}
	return ""
}

// meaning returns the description of a field, with its constraints and merging.
func (f field) meaning() string {
	meaning := f.about()
	if len(f.enum) > 0 {
		meaning += " Possible: " + code(f.enum) + "."
	}
	if f.appended {
		meaning += " Appended to that of the included recipes."
	}
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(meaning)
}

// code formats words as Markdown code.
func code(words []string) string {
	var set []string
	for _, word := range words {
		set = append(set, "`"+word+"`")
	}
	return enumerate(set)
}
