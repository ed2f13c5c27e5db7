package recipes

import (
	"maps"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// maxExpanded limits the total size of expanded strings in bytes, since variables may contain variables.
const maxExpanded = 4 << 20

// variables expands variables in strings.
type variables struct {
	defined  map[string]*node  // by name, from the last file
	set      map[string]string // by name, overrides defined
	quiet    bool              // a file with definitions is missing
	done     map[*node]bool    // expanded already: an expansion of $${ is not expanded again
	budget   int               // bytes that may still be expanded
	problems *Problems
}

// variables collects the definitions of all files and expands them.
func (l *loader) variables(path string) *variables {
	v := &variables{
		defined:  map[string]*node{},
		set:      l.options.Set,
		quiet:    l.incomplete,
		done:     map[*node]bool{},
		budget:   maxExpanded,
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
			l.problems.add(position{path, 1, 1, ""}, "--set: %s", v.undeclared(name, "leave it out"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.defined)) {
		v.expand(v.defined[name], []string{name})
	}
	return v
}

// expandAll expands all strings of a file.
func (v *variables) expandAll(n *node) {
	v.expand(n, nil)
	for _, one := range n.items {
		v.expandAll(one)
	}
	for _, e := range n.entries {
		v.expandAll(e.value)
	}
}

// expand expands the variables in a string. The trail is the chain of variables that use it, with its own name last if it
// is the value of a variable.
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
			v.problems.add(n.position, "a ${ is not closed; write ${name}, or $${ for the text ${")
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
	n.text, n.expanded = out.String(), true
	if !sound {
		n.kind = broken
	}
}

// value returns the value of a variable that a string uses.
func (v *variables) value(name string, at *node, trail []string) (string, bool) {
	if value, ok := v.set[name]; ok {
		return value, true
	}
	definition := v.defined[name]
	if definition == nil {
		if !v.quiet {
			v.problems.add(at.position, "%s", v.undeclared(name, "write $${ for the text ${"))
		}
		return "", false
	}
	if slices.Contains(trail, name) {
		circle := strings.Join(append(slices.Clone(trail), name), " -> ")
		v.problems.add(at.position, "the variable stands for itself: %s; write one of them out", circle)
		return "", false
	}
	v.expand(definition, append(slices.Clone(trail), name))
	return definition.text, definition.kind == text
}

// fits takes bytes from the budget, and reports when it is used up.
func (v *variables) fits(at *node, bytes int) bool {
	if v.budget >= 0 && v.budget < bytes {
		v.problems.add(at.position, "strings of the recipe are larger than 4MiB after expansion; use shorter ones")
	}
	v.budget -= bytes
	return v.budget >= 0
}

// undeclared returns the message for an unknown variable.
func (v *variables) undeclared(name, otherwise string) string {
	if near := spelling.Nearest(name, slices.Sorted(maps.Keys(v.defined))); near != "" {
		return "variable " + quote(name) + " is not declared; did you mean " + quote(near) + "?"
	}
	return "variable " + quote(name) + " is not declared; add it to vars, or " + otherwise
}
