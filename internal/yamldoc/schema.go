package yamldoc

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// schema is a JSON Schema, or a part of one.
type schema map[string]any

// Schema returns the JSON Schema (2020-12) of a YAML format whose documents decode to t, for editors.
func Schema(t reflect.Type, title string) ([]byte, error) {
	root := schema{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
	definitions := schema{}
	root["$ref"] = reference(t, definitions)
	root["$defs"] = definitions
	src, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(src, '\n'), nil
}

// reference adds a struct to the definitions and returns its reference. Types may contain themselves.
func reference(t reflect.Type, definitions schema) string {
	if _, done := definitions[t.Name()]; !done {
		definitions[t.Name()] = nil
		definitions[t.Name()] = structSchema(t, definitions)
	}
	return "#/$defs/" + t.Name()
}

func structSchema(t reflect.Type, definitions schema) schema {
	fields := fieldsOf(t)
	properties := schema{}
	var required []string
	var short []schema
	for _, f := range fields {
		property := typeSchema(f, f.typ, definitions)
		if f.short {
			short = append(short, typeSchema(f, f.typ, definitions))
		}
		property["description"] = f.doc
		properties[f.name] = property
		if f.required {
			required = append(required, f.name)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		s["required"] = required
	}
	var groups []schema
	for _, group := range groupsOf(fields) {
		var choices []schema
		for _, name := range namesOf(fields, group) {
			choices = append(choices, schema{"required": []string{name}})
		}
		groups = append(groups, schema{"oneOf": choices})
	}
	if groups != nil {
		s["allOf"] = groups
	}
	if required == nil && groups == nil {
		short = append(short, schema{"type": "null"})
	}
	if short == nil {
		return s
	}
	return schema{"anyOf": append([]schema{s}, short...)}
}

func typeSchema(f field, t reflect.Type, definitions schema) schema {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return scalar(f, "string", "integer", "number", "boolean")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(f, t.Elem(), definitions)
	case reflect.Struct:
		return schema{"$ref": reference(t, definitions)}
	case reflect.Map:
		s := schema{"type": "object", "additionalProperties": typeSchema(field{}, t.Elem(), definitions)}
		if f.pattern != nil {
			s["propertyNames"] = schema{"pattern": f.pattern.String()}
		}
		return s
	case reflect.Slice:
		return schema{"type": "array", "items": typeSchema(f, t.Elem(), definitions)}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.String:
		return scalar(f, "string", "integer", "number", "boolean")
	default:
		panic("yamldoc: unsupported type " + t.String())
	}
}

func scalar(f field, types ...string) schema {
	s := schema{"type": types}
	if f.enum != nil {
		s = schema{"enum": f.enum}
	}
	if f.pattern != nil {
		s["pattern"] = f.pattern.String()
	}
	return s
}
