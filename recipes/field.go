package recipes

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// field is a key with its constraints, from the tags of a field. The constraints of a list apply to its items.
type field struct {
	index        int
	typ          reflect.Type
	name         string         // yaml:     the key
	doc          string         // doc:      description
	hint         string         // hint:     valid form, as the end of a message after "write"
	required     bool           // required: the key must be present after all includes are merged
	defaultValue string         // default:  the value of a missing key; of a list: [a, b]
	enum         []string       // enum:     the possible values, separated by commas
	pattern      *regexp.Regexp // pattern:  the value must match; of a mapping: each key
	format       string         // format:   a check that no pattern can express, see checkFormat
	oneof        string         // oneof:    of the fields with the same word exactly one must be given
	path         string         // path:     a file name that must exist ("exists"), be a directory ("dir"), may be missing ("optional") or a URL ("url"), or has a transport before it ("transport")
	private      bool           // private:  the value may be a password by mistake, and is not shown in messages
	appended     bool           // merge:    "append" puts the list behind that of the included file
}

// fieldsOf reads the tags of a struct's fields. It panics if a tag is invalid.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		if tag.Get("yaml") == "-" {
			continue
		}
		f := field{
			index: i, typ: t.Field(i).Type,
			name: tag.Get("yaml"), doc: tag.Get("doc"), hint: tag.Get("hint"),
			required: tag.Get("required") == "true", defaultValue: tag.Get("default"), format: tag.Get("format"),
			oneof: tag.Get("oneof"), path: tag.Get("path"), appended: tag.Get("merge") == "append",
			private: tag.Get("private") == "true",
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

// about returns the description and the valid form of a key.
func (f field) about() string {
	if f.pattern == nil {
		return f.doc
	}
	return f.doc + " Form: " + f.hint + "."
}

// findField returns the field of a key.
func findField(fields []field, key string) (field, bool) {
	for _, f := range fields {
		if f.name == key {
			return f, true
		}
	}
	return field{}, false
}

// namesOf returns the keys of fields, or of those in a group.
func namesOf(fields []field, oneof string) []string {
	var names []string
	for _, f := range fields {
		if oneof == "" || f.oneof == oneof {
			names = append(names, f.name)
		}
	}
	return names
}

// groupsOf returns the groups of fields of which exactly one must be given.
func groupsOf(fields []field) []string {
	var groups []string
	for _, f := range fields {
		if f.oneof != "" && !slices.Contains(groups, f.oneof) {
			groups = append(groups, f.oneof)
		}
	}
	return groups
}

// defaultList returns the default of a list.
func (f field) defaultList() []string {
	return strings.Split(strings.Trim(f.defaultValue, "[]"), ", ")
}

// setDefault sets a field of a struct to its default.
func (f field) setDefault(v reflect.Value) {
	if f.defaultValue == "" {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.defaultValue)
	case reflect.Slice:
		v.Set(reflect.ValueOf(f.defaultList()))
	case reflect.Bool:
		v.SetBool(f.defaultValue == "true")
	case reflect.Uint32:
		n, err := strconv.ParseUint(f.defaultValue, 10, 32)
		if err != nil {
			panic("default of " + f.name + ": " + err.Error())
		}
		v.SetUint(n)
	default:
		panic("default of " + f.name + ": not supported for " + f.typ.String())
	}
}
