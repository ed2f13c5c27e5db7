package recipes

import (
	"maps"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// maxExpanded bounds the bytes of all strings that use variables, since variables may use variables.
const maxExpanded = 4 << 20

// variables puts the values of variables into strings.
type variables struct {
	defined  map[string]*node  // by the file that wins
	set      map[string]string // wins over defined
	quiet    bool              // not all definitions are known
	done     map[*node]bool    // expanded: what comes from $${ may not be looked at again
	room     int               // bytes that may yet be expanded
	problems *Problems
}

// variables gathers the definitions of all files and resolves them.
func (l *loader) variables(path string) *variables {
	v := &variables{
		defined:  map[string]*node{},
		set:      l.options.Set,
		quiet:    l.lacking,
		done:     map[*node]bool{},
		room:     maxExpanded,
		problems: &l.problems,
	}
	for _, file := range l.files {
		if vars := file.get("vars"); vars != nil {
			for _, e := range vars.entries {
				v.defined[e.key] = e.value
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.set)) {
		if v.defined[name] == nil && !v.quiet {
			l.problems.add(place{path, 1, 1, ""}, "--set: %s", v.undeclared(name, "leave it out"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.defined)) {
		v.expand(v.defined[name], []string{name})
	}
	return v
}

// expandAll expands every string of a file.
func (v *variables) expandAll(n *node) {
	v.expand(n, nil)
	for _, one := range n.items {
		v.expandAll(one)
	}
	for _, e := range n.entries {
		v.expandAll(e.value)
	}
}

// expand puts the values of variables into a string. The trail is the variables whose values lead to it, with its own
// name last if it is one itself.
func (v *variables) expand(n *node, trail []string) {
	if n.kind != text || v.done[n] || !strings.Contains(n.text, "${") {
		return
	}
	v.done[n] = true
	var out strings.Builder
	rest, sound := n.text, true
	for {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			out.WriteString(rest)
			break
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(literal + "${")
			rest = after
			continue
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed {
			v.problems.add(n.place, "a ${ is not closed; write ${name}, or $${ for the text ${")
			sound = false
			break
		}
		value, ok := v.value(name, n, trail)
		sound = sound && ok && v.fits(n, len(before)+len(value))
		out.WriteString(before)
		if sound {
			out.WriteString(value)
		}
		rest = behind
	}
	n.text, n.varied = out.String(), true
	if !sound {
		n.kind = broken
	}
}

// value is that of a variable, as used in a string.
func (v *variables) value(name string, at *node, trail []string) (string, bool) {
	if value, ok := v.set[name]; ok {
		return value, true
	}
	definition := v.defined[name]
	if definition == nil {
		if !v.quiet {
			v.problems.add(at.place, "%s", v.undeclared(name, "write $${ for the text ${"))
		}
		return "", false
	}
	if slices.Contains(trail, name) {
		circle := strings.Join(append(slices.Clone(trail), name), " -> ")
		v.problems.add(at.place, "the variable stands for itself: %s; write one of them out", circle)
		return "", false
	}
	v.expand(definition, append(slices.Clone(trail), name))
	return definition.text, definition.kind == text
}

// fits takes bytes from the room that is left.
func (v *variables) fits(at *node, bytes int) bool {
	if v.room >= 0 && v.room < bytes {
		v.problems.add(at.place, "with their variables the recipe's strings grow beyond 4MiB; use shorter ones")
	}
	v.room -= bytes
	return v.room >= 0
}

// undeclared says that there is no such variable, and the way out for one that should not be.
func (v *variables) undeclared(name, otherwise string) string {
	if near := spelling.Nearest(name, slices.Sorted(maps.Keys(v.defined))); near != "" {
		return "variable " + quote(name) + " is not declared; did you mean " + quote(near) + "?"
	}
	return "variable " + quote(name) + " is not declared; add it to vars, or " + otherwise
}
