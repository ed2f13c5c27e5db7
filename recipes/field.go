package recipes

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// field is what the tags of a field say about its key. The constraints of a list are those of its items.
type field struct {
	index    int
	typ      reflect.Type
	name     string         // yaml:     the key
	doc      string         // doc:      what it means
	hint     string         // hint:     what to write, as the end of a message that says that something else was written
	required bool           // required: the key must be there once all includes are merged
	standard string         // default:  the value without the key; of a list: [a, b]
	enum     []string       // enum:     the possible values, separated by commas
	pattern  *regexp.Regexp // pattern:  the value must match; of a mapping: each key
	format   string         // format:   a check that no pattern can express, see checkFormat
	oneof    string         // oneof:    of the fields with the same word exactly one must be given
	path     string         // path:     names a file: it "exists", is a "dir", is "optional", may be a "url", or a "transport" stands before it
	private  bool           // private:  the value is never shown in a message: it may be a password in the wrong place
	appended bool           // merge:    "append": what an including file says comes behind what the included one says
}

// fieldsOf reads the tags of a struct's fields. A tag that is broken is a mistake of this package, and panics.
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
			required: tag.Get("required") == "true", standard: tag.Get("default"), format: tag.Get("format"),
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

// about is what a key means and what it looks like.
func (f field) about() string {
	if f.pattern == nil {
		return f.doc
	}
	return f.doc + " Form: " + f.hint + "."
}

// findField is the field of a key.
func findField(fields []field, key string) (field, bool) {
	for _, f := range fields {
		if f.name == key {
			return f, true
		}
	}
	return field{}, false
}

// namesOf are the keys of fields, or of those in one group.
func namesOf(fields []field, oneof string) []string {
	var names []string
	for _, f := range fields {
		if oneof == "" || f.oneof == oneof {
			names = append(names, f.name)
		}
	}
	return names
}

// groupsOf are the groups of fields of which exactly one must be given.
func groupsOf(fields []field) []string {
	var groups []string
	for _, f := range fields {
		if f.oneof != "" && !slices.Contains(groups, f.oneof) {
			groups = append(groups, f.oneof)
		}
	}
	return groups
}

// standardList is the default of a list.
func (f field) standardList() []string {
	return strings.Split(strings.Trim(f.standard, "[]"), ", ")
}

// setDefault gives a field of a struct the value that it has without its key.
func (f field) setDefault(v reflect.Value) {
	if f.standard == "" {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.standard)
	case reflect.Slice:
		v.Set(reflect.ValueOf(f.standardList()))
	case reflect.Bool:
		v.SetBool(f.standard == "true")
	case reflect.Uint32:
		n, err := strconv.ParseUint(f.standard, 10, 32)
		if err != nil {
			panic("default of " + f.name + ": " + err.Error())
		}
		v.SetUint(n)
	default:
		panic("default of " + f.name + ": of no use for " + f.typ.String())
	}
}
