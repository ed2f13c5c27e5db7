package builder

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// diffJSON lists in what two layers differ, a line each, such as "packages: vim added" or
// "/etc/hostname: content differs". What identifies the items of a list are their paths or names.
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

// telling are fields that stand for others: where one of them differs, the others say nothing more.
var telling = []struct {
	field string
	says  string // what is said; without it the values are shown
	hides []string
}{
	{"version", "", []string{"url", "sha256", "size"}},
	{"sha256", "content differs", []string{"url", "size", "source"}},
	{"content", "content differs", nil},
	{"pkinit", "pkinit differs", nil},
}

func diffObjects(at string, a, b map[string]any) []string {
	hidden := map[string]bool{}
	var out []string
	for _, t := range telling {
		if a[t.field] == nil || b[t.field] == nil || hidden[t.field] || reflect.DeepEqual(a[t.field], b[t.field]) {
			continue
		}
		hidden[t.field] = true
		for _, h := range t.hides {
			hidden[h] = true
		}
		switch {
		case t.says != "":
			out = append(out, join(at, t.says))
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

// octal shows the value of a mode as people write it.
func octal(key string, v any) any {
	if n, ok := v.(float64); ok && key == "mode" {
		return fmt.Sprintf("%04o", int(n))
	}
	return v
}

// join is a path of two parts. Lists of entries add nothing to those of their items.
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

// items are the items of a list by what identifies them.
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

// show is a value in a line, cut where it is long.
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
