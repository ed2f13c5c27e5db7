package yamldoc

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// field holds the tags of a struct's field, see the package comment.
type field struct {
	index    int
	typ      reflect.Type
	name     string
	doc      string
	hint     string
	oneof    string
	enum     []string
	pattern  *regexp.Regexp
	required bool
	short    bool
}

// fieldsOf returns the fields of a struct, those of embedded structs included. A broken tag panics: it is a mistake in the
// program.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		if tag.Get("yaml") == "" {
			continue
		}
		f := field{
			index: i, typ: t.Field(i).Type, name: tag.Get("yaml"), doc: tag.Get("doc"), hint: tag.Get("hint"),
			oneof: tag.Get("oneof"), required: tag.Get("required") == "true", short: tag.Get("short") == "true",
		}
		if enum := tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, ",")
		}
		if pattern := tag.Get("pattern"); pattern != "" {
			f.pattern = regexp.MustCompile(pattern)
		}
		fields = append(fields, f)
	}
	return fields
}

// namesOf returns the names of all fields, or of those of a group.
func namesOf(fields []field, group string) []string {
	var names []string
	for _, f := range fields {
		if group == "" || f.oneof == group {
			names = append(names, f.name)
		}
	}
	return names
}

func groupsOf(fields []field) []string {
	var groups []string
	for _, f := range fields {
		if f.oneof != "" && !slices.Contains(groups, f.oneof) {
			groups = append(groups, f.oneof)
		}
	}
	return groups
}
