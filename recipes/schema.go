package recipes

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
)

// schema is a JSON Schema, or a part of one.
type schema map[string]any

// withVariable is the alternative in patterns for strings with variables.
const withVariable = `\$\{`

// Schema returns the JSON Schema (2020-12) of recipes, for editors. Keys that an included file may provide are
// optional.
func Schema() ([]byte, error) {
	root := structSchema(reflect.TypeFor[Recipe](), false)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Recipe of an image"
	src, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode recipe schema: %w", err)
	}
	return append(src, '\n'), nil
}

// structSchema returns the schema of a mapping with known keys. Items of lists are never merged and must be complete.
func structSchema(t reflect.Type, complete bool) schema {
	fields := fieldsOf(t)
	properties := schema{}
	var required []string
	for _, f := range fields {
		property := f.schema(f.typ, complete)
		property["description"] = f.about()
		properties[f.name] = property
		if f.required && complete {
			required = append(required, f.name)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	for _, group := range groupsOf(fields) {
		var choices []schema
		for _, name := range namesOf(fields, group) {
			choices = append(choices, schema{"required": []string{name}})
		}
		s["oneOf"] = choices
	}
	return s
}

// schema returns the schema of a field's value, or of an item of it.
func (f field) schema(t reflect.Type, complete bool) schema {
	switch t.Kind() {
	case reflect.Pointer:
		return f.schema(t.Elem(), complete)
	case reflect.Struct:
		return structSchema(t, complete)
	case reflect.Map:
		s := schema{"type": "object", "additionalProperties": field{}.schema(t.Elem(), complete)}
		if f.pattern != nil {
			s["propertyNames"] = schema{"pattern": f.pattern.String()}
		}
		return s
	case reflect.Slice:
		s := schema{"type": "array", "items": f.schema(t.Elem(), true)}
		if f.defaultValue != "" {
			s["default"] = f.defaultList()
		}
		return s
	case reflect.Uint32:
		return f.numberSchema()
	case reflect.Bool:
		return f.booleanSchema()
	case reflect.String:
		return f.textSchema(t == f.typ)
	default:
		panic("recipes cannot hold " + t.String())
	}
}

// numberSchema returns the schema of a number, or of a string with variables.
func (f field) numberSchema() schema {
	s := schema{"anyOf": []schema{
		{"type": "integer", "minimum": 0, "maximum": uint32(math.MaxUint32)},
		{"type": "string", "pattern": withVariable},
	}}
	if f.defaultValue != "" {
		s["default"] = json.Number(f.defaultValue)
	}
	return s
}

// booleanSchema returns the schema of a boolean, or of a string with variables.
func (f field) booleanSchema() schema {
	s := schema{"anyOf": []schema{{"type": "boolean"}, {"type": "string", "pattern": withVariable}}}
	if f.defaultValue != "" {
		s["default"] = f.defaultValue == "true"
	}
	return s
}

// textSchema returns the schema of a string. The default of a list does not apply to its items.
func (f field) textSchema(alone bool) schema {
	s := schema{"type": "string"}
	if alone && f.defaultValue != "" {
		s["default"] = f.defaultValue
	}
	if f.pattern != nil {
		s["pattern"] = f.pattern.String() + "|" + withVariable
	}
	if f.path != "" {
		s["minLength"] = 1
	}
	if len(f.enum) > 0 {
		s["anyOf"] = []schema{{"enum": f.enum}, {"pattern": withVariable}}
	}
	return s
}
