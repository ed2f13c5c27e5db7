package builder

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// diffJSON lists the differences between two layers, such as "packages: vim added" or "/etc/hostname: content differs".
// The items of a list are identified by their paths or names.
func diffJSON(before, after []byte) ([]string, error) {
	var a, b any
	if err := json.Unmarshal(before, &a); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(after, &b); err != nil {
		return nil, err
	}
	return diffValues("", a, b), nil
}

func diffValues(at string, a, b any) []string {
	if reflect.DeepEqual(a, b) {
		return nil
	}
	switch b := b.(type) {
	case map[string]any:
		if a, ok := a.(map[string]any); ok {
			return diffObjects(at, a, b)
		}
	case []any:
		if a, ok := a.([]any); ok {
			return diffLists(at, a, b)
		}
	}
	switch {
	case a == nil:
		return []string{at + " added"}
	case b == nil:
		return []string{at + " removed"}
	}
	return []string{at + ": " + show(a) + " → " + show(b)}
}

// summaries are fields whose difference makes the differences of other fields redundant.
var summaries = []struct {
	field   string
	message string // empty: the values are shown
	hides   []string
}{
	{"version", "", []string{"url", "sha256", "size"}},
	{"sha256", "content differs", []string{"url", "size", "source"}},
	{"content", "content differs", nil},
	{"pkinit", "pkinit differs", nil},
}

func diffObjects(at string, a, b map[string]any) []string {
	hidden := map[string]bool{}
	var out []string
	for _, t := range summaries {
		if a[t.field] == nil || b[t.field] == nil || hidden[t.field] || reflect.DeepEqual(a[t.field], b[t.field]) {
			continue
		}
		hidden[t.field] = true
		for _, h := range t.hides {
			hidden[h] = true
		}
		switch {
		case t.message != "":
			out = append(out, join(at, t.message))
		default:
			out = append(out, join(at, show(a[t.field])+" → "+show(b[t.field])))
		}
	}
	keys := map[string]any{}
	maps.Copy(keys, a)
	maps.Copy(keys, b)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !hidden[key] {
			out = append(out, diffValues(join(at, key), octal(key, a[key]), octal(key, b[key]))...)
		}
	}
	return out
}

// octal formats a mode as octal digits, and returns any other value unchanged.
func octal(key string, v any) any {
	if n, ok := v.(float64); ok && key == "mode" {
		return fmt.Sprintf("%04o", int(n))
	}
	return v
}

// join joins a key to the path of its object. The list "entries" is left out of paths.
func join(at, key string) string {
	if at == "" || at == "entries" {
		return key
	}
	return at + ": " + key
}

func diffLists(at string, a, b []any) []string {
	before, after := items(a), items(b)
	keys := map[string]any{}
	maps.Copy(keys, before)
	maps.Copy(keys, after)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		x, had := before[key]
		y, has := after[key]
		switch {
		case !had:
			out = append(out, join(at, key)+" added")
		case !has:
			out = append(out, join(at, key)+" removed")
		default:
			out = append(out, diffValues(join(at, key), x, y)...)
		}
	}
	if len(out) == 0 {
		return []string{join(at, "the order differs")}
	}
	return out
}

// items returns the items of a list by their paths, names or values.
func items(list []any) map[string]any {
	out := map[string]any{}
	for _, item := range list {
		key := show(item)
		if object, ok := item.(map[string]any); ok {
			for _, field := range []string{"path", "name"} {
				if name, ok := object[field].(string); ok {
					key = name
				}
			}
		}
		for out[key] != nil {
			key += "′"
		}
		out[key] = item
	}
	return out
}

// show formats a value as one line of at most 60 characters.
func show(v any) string {
	text, ok := v.(string)
	if !ok {
		data, _ := json.Marshal(v)
		text = string(data)
	}
	text = strings.ReplaceAll(text, "\n", " ")
	if runes := []rune(text); len(runes) > 60 {
		return fmt.Sprintf("%s…", string(runes[:60]))
	}
	return text
}
