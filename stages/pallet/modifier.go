package pallet

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// The types of modifiers.
const (
	typeAdd           = "add"
	typeRemove        = "remove"
	typeAddFeature    = "add-feature"
	typeRemoveFeature = "remove-feature"
)

// mapping maps targets of imports to their sources in a required pallet. Paths begin with a slash.
type mapping map[string]mapped

// mapped is the source of an imported file, and the modifier that imports it.
type mapped struct {
	source string
	at     position
}

// consolidate returns the files that the import groups of another pallet import from this one. Two groups may have the
// same target if the source is the same.
func (t *layered) consolidate(l *loader, req *required) mapping {
	union := mapping{}
	req.mapped = map[string]map[string]string{}
	for _, g := range req.enabled() {
		m := t.evaluate(l, g.declared, g.file)
		req.mapped[g.name] = sources(m)
		for _, target := range slices.Sorted(maps.Keys(m)) {
			chosen := m[target]
			old, ok := union[target]
			switch text := targetProblem(target); {
			case text != "":
				l.mistakes.add(chosen.at.file.errorf(chosen.at.at, "import target %s %s", target, text))
			case ok && old.source != chosen.source:
				l.mistakes.add(chosen.at.file.errorf(chosen.at.at, "import target %s has two sources: %s and %s (%s)",
					target, chosen.source, old.source, old.at))
			default:
				union[target] = chosen
			}
		}
	}
	return union
}

func sources(m mapping) map[string]string {
	all := map[string]string{}
	for target, chosen := range m {
		all[target] = chosen.source
	}
	return all
}

// targetProblem returns why a path cannot be the target of an import, as a predicate; "" if it can.
func targetProblem(target string) string {
	switch {
	case strings.HasPrefix(target, "/"+requiredPallets):
		return "is below /" + requiredPallets + ", which cannot be imported"
	case path.Dir(target) == "/":
		return "is a file at the root of the pallet, which cannot be imported"
	case pathProblem(target[1:]) != "":
		return pathProblem(target[1:])
	}
	return ""
}

// evaluate returns the mapping of a group or a feature: the result of its modifiers in their order.
func (t *layered) evaluate(l *loader, declared importDeclaration, f *file) mapping {
	m := mapping{}
	for i, mod := range declared.Modifiers {
		at := position{f, keyPath{"modifiers", i}}
		mod.Target = cmp.Or(mod.Target, "/")
		mod.Source = cmp.Or(mod.Source, mod.Target)
		if err := t.apply(l, m, mod, at); err != nil {
			l.mistakes.add(f.errorf(at.at, "%w", err))
		}
	}
	return m
}

func (t *layered) apply(l *loader, m mapping, mod modifier, at position) error {
	switch mod.Type {
	case typeAdd, "":
		return t.applyAdd(l, m, mod, at)
	case typeRemove:
		return m.remove(mod)
	case typeAddFeature:
		feature, err := t.feature(l, mod.Source)
		for target, chosen := range feature {
			m[target] = mapped{chosen.source, at}
		}
		return err
	case typeRemoveFeature:
		feature, err := t.feature(l, mod.Source)
		maps.DeleteFunc(m, func(target string, _ mapped) bool { _, ok := feature[target]; return ok })
		return err
	}
	return fmt.Errorf("modifier type %q is unknown, want %s, %s, %s or %s", mod.Type,
		typeAdd, typeRemove, typeAddFeature, typeRemoveFeature)
}

// globs returns the patterns of a modifier, joined to a directory; the directory itself if it has none.
func (mod modifier) globs(dir string) []string {
	if len(mod.OnlyMatchingAny) == 0 {
		return []string{dir}
	}
	var all []string
	for _, glob := range mod.OnlyMatchingAny {
		all = append(all, path.Join(dir, glob))
	}
	return all
}

func (t *layered) applyAdd(l *loader, m mapping, mod modifier, at position) error {
	found := false
	source := path.Join("/", mod.Source)
	for _, glob := range mod.globs(source) {
		names, err := t.merged.glob(strings.TrimPrefix(glob, "/"))
		if err != nil {
			return err
		}
		for _, name := range names {
			found = true
			below := strings.TrimPrefix("/"+name, source)
			m[path.Join("/", mod.Target, below)] = mapped{"/" + name, at}
		}
	}
	if !found {
		l.note("%s: modifier matches no file in %s", at, path.Join(t.name(), source))
	}
	return nil
}

// glob returns the files that match a pattern, or lie below a directory that does.
func (v *view) glob(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, `*?[{\`) {
		return v.literal(cmp.Or(pattern, ".")), nil
	}
	var all []string
	for name := range v.files(".") {
		ok, err := matches(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, name)
		}
	}
	return all, nil
}

// literal returns a file, or the files below a directory.
func (v *view) literal(name string) []string {
	if e, ok := v.entries[name]; ok && !e.mode.IsDir() {
		return []string{name}
	}
	return slices.Collect(v.files(name))
}

// maxGlob is the greatest length of a pattern in bytes: the time of matching grows with it.
const maxGlob = 1024

// matches reports whether a path or a directory above it matches a pattern.
func matches(pattern, name string) (bool, error) {
	if len(pattern) > maxGlob {
		return false, fmt.Errorf("pattern %.20q… has more than %d bytes", pattern, maxGlob)
	}
	ok, err := doublestar.Match(pattern, name)
	if ok || err != nil {
		return ok, wrapGlob(pattern, err)
	}
	ok, err = doublestar.Match(path.Join(pattern, "**"), name)
	return ok, wrapGlob(pattern, err)
}

func wrapGlob(pattern string, err error) error {
	if err != nil {
		return fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return nil
}

// remove deletes the targets that match a modifier.
func (m mapping) remove(mod modifier) error {
	for _, glob := range mod.globs(path.Join("/", mod.Target)) {
		for target := range m {
			ok, err := matches(glob, target)
			if err != nil {
				return err
			}
			if ok {
				delete(m, target)
			}
		}
	}
	return nil
}
