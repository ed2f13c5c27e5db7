package yamldoc

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// decoder decodes one document and collects its problems.
type decoder struct {
	file     string
	places   Places
	problems Problems
}

func (d *decoder) add(at Place, format string, args ...any) {
	d.problems = append(d.problems, Problem{at, fmt.Sprintf(format, args...)})
}

func (d *decoder) at(t *token.Token, path string) Place {
	return Place{d.file, t.Position.Line, t.Position.Column, path}
}

func (d *decoder) root(n ast.Node, v any) {
	d.value(n, d.start(n, ""), field{}, reflect.ValueOf(v).Elem())
}

// start returns the place of a node. The token of a block mapping is its first colon, so its place is that of its first
// key.
func (d *decoder) start(n ast.Node, path string) Place {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return d.at(m.Values[0].Key.GetToken(), path)
	}
	return d.at(n.GetToken(), path)
}

// value decodes a node into a value of any supported type.
func (d *decoder) value(n ast.Node, at Place, f field, v reflect.Value) {
	if v.CanAddr() {
		d.places[v.Addr().Interface()] = at
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, at, f, func(s string) error { return u.UnmarshalText([]byte(s)) })
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, at, f, v.Elem())
	case reflect.Struct:
		d.structure(n, at, v)
	case reflect.Map:
		d.mapping(n, at, f, v)
	case reflect.Slice:
		d.list(n, at, f, v)
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
		d.mismatch(n, at, "true or false")
	case reflect.Int, reflect.Int64:
		number, err := strconv.ParseInt(n.GetToken().Value, 10, 64)
		if _, ok := n.(*ast.IntegerNode); !ok || err != nil {
			d.mismatch(n, at, "a number in decimal digits")
			return
		}
		v.SetInt(number)
	case reflect.String:
		d.text(n, at, f, func(s string) error { v.SetString(s); return nil })
	default:
		panic("yamldoc: unsupported type " + v.Type().String())
	}
}

// text decodes a string and checks it against the field's tags.
func (d *decoder) text(n ast.Node, at Place, f field, set func(string) error) {
	s, ok := stringOf(n)
	switch {
	case !ok:
		d.mismatch(n, at, "a string")
	case len(f.enum) > 0 && !slices.Contains(f.enum, s):
		d.add(at, "%q is not supported; write %s", s, strings.Join(f.enum, " or "))
	case f.pattern != nil && f.typ.Kind() != reflect.Map && !f.pattern.MatchString(s):
		d.add(at, "%q does not match; write %s", s, f.hint)
	default:
		if err := set(s); err != nil {
			d.add(at, "%v", err)
		}
	}
}

// stringOf returns the text of a scalar: a number or boolean without quotes is a string where a string is wanted.
func stringOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// list decodes a list.
func (d *decoder) list(n ast.Node, at Place, f field, v reflect.Value) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mismatch(n, at, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(sequence.Values), len(sequence.Values)))
	for i, item := range sequence.Values {
		d.value(item, d.start(item, fmt.Sprintf("%s[%d]", at.Path, i)), f, v.Index(i))
	}
}

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	at    Place // of the key
	value ast.Node
}

// entries returns the entries of a mapping, the first of each key, and reports duplicates and merge keys.
func (d *decoder) entries(n *ast.MappingNode, path string) []entry {
	var all []entry
	for _, v := range n.Values {
		key, ok := v.Key.(ast.ScalarNode)
		if !ok || v.Key.IsMergeKey() {
			d.add(d.at(v.Key.GetToken(), path), "key is not a plain string")
			continue
		}
		e := entry{key: key.GetToken().Value, value: v.Value}
		e.at = d.at(key.GetToken(), keyPath(path, e.key))
		if i := slices.IndexFunc(all, func(o entry) bool { return o.key == e.key }); i >= 0 {
			d.add(e.at, "duplicate key, first in line %d", all[i].at.Line)
			continue
		}
		all = append(all, e)
	}
	return all
}

// mapping decodes a mapping with arbitrary keys.
func (d *decoder) mapping(n ast.Node, at Place, f field, v reflect.Value) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.mismatch(n, at, "a mapping")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(m, at.Path) {
		if f.pattern != nil && !f.pattern.MatchString(e.key) {
			d.add(e.at, "%q does not match; write %s", e.key, f.hint)
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, e.at, field{typ: v.Type().Elem()}, value)
		v.SetMapIndex(reflect.ValueOf(e.key), value)
	}
}

// structure decodes a mapping with known keys, or the short form of one.
func (d *decoder) structure(n ast.Node, at Place, v reflect.Value) {
	fields := fieldsOf(v.Type())
	m, ok := n.(*ast.MappingNode)
	if _, null := n.(*ast.NullNode); null && !slices.ContainsFunc(fields, func(f field) bool { return f.required || f.oneof != "" }) {
		return // "key:" alone: all defaults
	}
	if i := slices.IndexFunc(fields, func(f field) bool { return f.short }); !ok && i >= 0 {
		d.value(n, at, fields[i], v.Field(fields[i].index))
		return
	}
	if !ok {
		d.mismatch(n, at, "a mapping with the keys "+strings.Join(namesOf(fields, ""), ", "))
		return
	}
	entries := d.entries(m, at.Path)
	for _, e := range entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == e.key })
		if i < 0 {
			d.unknown(e, namesOf(fields, ""))
			continue
		}
		d.value(e.value, e.at, fields[i], v.Field(fields[i].index))
	}
	d.require(entries, at, fields)
}

// require reports missing keys and groups of which not exactly one key is present.
func (d *decoder) require(entries []entry, at Place, fields []field) {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e entry) bool { return e.key == name })
	}
	for _, f := range fields {
		if f.required && !has(f.name) {
			d.add(at, "key %s is missing", f.name)
		}
	}
	for _, group := range groupsOf(fields) {
		names := namesOf(fields, group)
		present := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !has(name) })
		switch {
		case len(present) == 0:
			d.add(at, "want one of the keys %s", strings.Join(names, ", "))
		case len(present) > 1:
			d.add(at, "want one of the keys %s, have both", strings.Join(present, " and "))
		}
	}
}

func (d *decoder) unknown(e entry, names []string) {
	if near := spelling.Nearest(e.key, names); near != "" {
		d.add(e.at, "unknown key; did you mean %s?", near)
		return
	}
	d.add(e.at, "unknown key; the keys here are %s", strings.Join(names, ", "))
}

func (d *decoder) mismatch(n ast.Node, at Place, want string) {
	kind := strings.ToLower(n.Type().YAMLName())
	switch n.(type) {
	case *ast.NullNode:
		kind = "nothing"
	case *ast.MappingNode:
		kind = "a mapping"
	case *ast.SequenceNode:
		kind = "a list"
	case *ast.StringNode, *ast.LiteralNode:
		kind = "a string"
	case *ast.IntegerNode, *ast.FloatNode:
		kind = "a number"
	}
	d.add(at, "value is %s, want %s", kind, want)
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// keyPath returns the path of a key of the mapping at path.
func keyPath(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}
