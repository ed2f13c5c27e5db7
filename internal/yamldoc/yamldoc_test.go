package yamldoc

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type even int

func (e *even) UnmarshalText(text []byte) error {
	if len(text)%2 != 0 {
		return errors.New("length is odd, want an even one")
	}
	*e = even(len(text))
	return nil
}

type inner struct {
	State string `yaml:"state" doc:"State." enum:"up,down" short:"true"`
	Even  even   `yaml:"even" doc:"Text of even length."`
}

type document struct {
	Name  string            `yaml:"name" doc:"Name." required:"true" pattern:"^[a-z]+$" hint:"lower-case letters"`
	On    bool              `yaml:"on" doc:"Switch."`
	Count int               `yaml:"count" doc:"Number."`
	Units map[string]*inner `yaml:"units" doc:"By name." pattern:"^[a-z]" hint:"a name"`
	List  []string          `yaml:"list" doc:"List." enum:"a,b"`
	Items []*inner          `yaml:"items" doc:"List of mappings."`
	One   *inner            `yaml:"one" doc:"First." oneof:"kind"`
	Other *document         `yaml:"other" doc:"Second." oneof:"kind"`
}

func TestDecode(t *testing.T) {
	const text = `name: a
on: true
count: 3
units: {x: up, y: {state: down, even: "12"}}
list: [a, b]
items:
  - up
  - even: ab
one:
`
	var got document
	places, err := Decode("f.yml", []byte(text), &got)
	require.NoError(t, err)
	require.Equal(t, document{
		Name: "a", On: true, Count: 3, List: []string{"a", "b"}, One: &inner{},
		Units: map[string]*inner{"x": {State: "up"}, "y": {State: "down", Even: 2}},
		Items: []*inner{{State: "up"}, {Even: 2}},
	}, got)
	require.Equal(t, `f.yml:4:16: units.y`, places[got.Units["y"]].String())
	require.Equal(t, `f.yml:4:9: units.x`, places[got.Units["x"]].String())
	require.Equal(t, `f.yml:8:5: items[1]`, places[got.Items[1]].String())
	require.Equal(t, `f.yml:5:11: list[1]`, places[&got.List[1]].String())
}

func TestDecodeProblems(t *testing.T) {
	const good = "one: up\n"
	tests := map[string]struct{ text, want string }{
		"missing key":      {good, "f.yml:1:1: key name is missing"},
		"unknown key":      {good + "name: a\nnam: b", "f.yml:3:1: nam: unknown key; did you mean name?"},
		"unknown far away": {good + "name: a\nzzzzzz: b", "f.yml:3:1: zzzzzz: unknown key; the keys here are name, on, count, units, list, items, one, other"},
		"duplicate key":    {good + "name: a\nname: b", "f.yml:3:1: name: duplicate key, first in line 2"},
		"pattern":          {good + "name: A", `f.yml:2:1: name: "A" does not match; write lower-case letters`},
		"pattern of keys":  {good + "name: a\nunits: {X: up}", `f.yml:3:9: units.X: "X" does not match; write a name`},
		"enum":             {"name: a\none: left", `f.yml:2:1: one: "left" is not supported; write up or down`},
		"enum in a list":   {good + "name: a\nlist: [a, c]", `f.yml:3:11: list[1]: "c" is not supported; write a or b`},
		"own type":         {good + "name: a\nitems: [{even: abc}]", `f.yml:3:10: items[0].even: length is odd, want an even one`},
		"no list":          {good + "name: a\nlist: a", "f.yml:3:1: list: value is a string, want a list"},
		"no number":        {good + "name: a\ncount: x", "f.yml:3:1: count: value is a string, want a number in decimal digits"},
		"no bool":          {good + "name: a\non: 1", "f.yml:3:1: on: value is a number, want true or false"},
		"no string":        {good + "name: [a]", "f.yml:2:1: name: value is a list, want a string"},
		"no mapping":       {good + "name: a\nunits: []", "f.yml:3:1: units: value is a list, want a mapping"},
		"no value":         {good + "name:", "f.yml:2:1: name: value is nothing, want a string"},
		"none of a group":  {"name: a", "f.yml:1:1: want one of the keys one, other"},
		"two of a group":   {good + "name: a\nother: {name: b, one: up}", "f.yml:1:1: want one of the keys one and other, have both"},
		"several, sorted":  {good + "on: 1\nname: A", "f.yml:2:1: on: value is a number, want true or false\nf.yml:3:1: name: \"A\" does not match; write lower-case letters"},
		"empty":            {"", "f.yml:1:1: file is empty"},
		"comment":          {"# x\n", "f.yml:1:1: file is empty"},
		"anchor":           {"name: &x a\none: up", "f.yml:1:1: name: value is anchor, want a string"},
		"merge key":        {"<<: {}\nname: a\none: up", "f.yml:1:1: key is not a plain string"},
		"second document":  {"name: a\none: up\n---\nname: b\n", "f.yml:4:5: file is not valid YAML: second document; a file has one"},
		"syntax":           {"name: [", "f.yml:1:7: file is not valid YAML: sequence end token ']' not found"},
		"deep":             {strings.Repeat("[", 100), "f.yml:1:65: file is not valid YAML: brackets are nested too deeply"},
		"long":             {strings.Repeat("#", maxBytes+1), "f.yml:1:1: file has 262145 bytes, want at most 262144"},
		"scalar document":  {"x", "f.yml:1:1: value is a string, want a mapping with the keys name, on, count, units, list, items, one, other"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got document
			_, err := Decode("f.yml", []byte(tt.text), &got)
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestAdd(t *testing.T) {
	at := Place{"f.yml", 2, 1, "x"}
	err := Add(nil, at, "bad %d", 1)
	require.EqualError(t, Add(err, Place{"f.yml", 1, 1, ""}, "first"), "f.yml:1:1: first\nf.yml:2:1: x: bad 1")
	other := errors.New("other")
	require.Equal(t, other, Add(other, at, "x"))
}

func TestSchema(t *testing.T) {
	src, err := Schema(reflect.TypeFor[document](), "A document")
	require.NoError(t, err)
	var s struct {
		Defs map[string]struct {
			Required   []string
			Properties map[string]map[string]any
			AnyOf      []map[string]any
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(src, &s))
	require.Equal(t, []string{"name"}, s.Defs["document"].Required)
	require.Equal(t, "Name.", s.Defs["document"].Properties["name"]["description"])
	require.Equal(t, "#/$defs/document", s.Defs["document"].Properties["other"]["$ref"])
	require.Equal(t, []any{"up", "down"}, s.Defs["inner"].AnyOf[1]["enum"])
}

func FuzzDecode(f *testing.F) {
	f.Add("name: a\nunits: {x: up}\nitems: [{even: ab}]\none: up\n")
	f.Add("other: {name: |\n  a\n}")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Decode("f.yml", []byte(text), new(document))
		var problems Problems
		if err != nil {
			require.ErrorAs(t, err, &problems)
		}
	})
}
