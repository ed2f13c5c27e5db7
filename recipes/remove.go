package recipes

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/spelling"
)

// removeAll applies the removals of each file to the files that it includes.
func (l *loader) removeAll() {
	for _, file := range l.files {
		remove := file.get("remove")
		if remove == nil {
			continue
		}
		var included []*node
		for _, other := range l.files {
			if l.included[filepath.Clean(file.file)][filepath.Clean(other.file)] {
				included = append(included, other)
			}
		}
		for _, kind := range removals() {
			for _, name := range items(remove.get(kind.key)) {
				if name.kind == text {
					l.removeOne(kind, name, file, included)
				}
			}
		}
		file.entries = slices.DeleteFunc(file.entries, func(e entry) bool { return e.key == "remove" })
	}
}

// removal is a kind of entries that can be removed.
type removal struct {
	key, noun string
	lists     func(file *node) []*node // the lists that may contain an entry
	name      func(item *node) string  // of an entry
}

// removals lists the kinds, by the keys of Removal.
func removals() []removal {
	inLayers := func(keys ...string) func(*node) []*node {
		return func(file *node) (lists []*node) {
			for _, layer := range items(file.get("layers")) {
				for _, key := range keys {
					if list := layer.get(key); list != nil {
						lists = append(lists, list)
					}
				}
			}
			return lists
		}
	}
	inBoot := func(key string) func(*node) []*node {
		return func(file *node) []*node { return []*node{file.get("boot").get(key)} }
	}
	own := func(item *node) string { return item.text }
	named := func(key string) func(*node) string {
		return func(item *node) string {
			if value := item.get(key); value != nil {
				return value.text
			}
			return ""
		}
	}
	return []removal{
		{"packages", "package", inLayers("packages", "install"), func(item *node) string { return withoutSuite(item.text) }},
		{"repositories", "repository", func(file *node) []*node { return []*node{file.get("repositories")} }, named("name")},
		{"files", "file", inLayers("files"), func(item *node) string { return path.Clean(named("target")(item)) }},
		{"users", "user", inLayers("users"), named("name")},
		{"containers", "container image", func(file *node) (lists []*node) {
			for _, layer := range inLayers("containers")(file) {
				lists = append(lists, layer.get("images"))
			}
			return lists
		}, named("name")},
		{"config", "line of config.txt", inBoot("config"), own},
		{"cmdline", "kernel argument", inBoot("cmdline"), own},
		{"modules", "kernel module", inBoot("modules"), own},
		{"boards", "board", inBoot("boards"), own},
	}
}

// items returns the items of a list, which may be nil.
func items(list *node) []*node {
	if list == nil {
		return nil
	}
	return list.items
}

// removeOne removes the entries of a name from included files, and reports a name that none of them has.
func (l *loader) removeOne(kind removal, name, file *node, included []*node) {
	want := name.text
	switch kind.key {
	case "files":
		want = path.Clean(want)
	case "packages":
		want = withoutSuite(want)
	}
	found := false
	var known []string
	for _, other := range included {
		for _, list := range kind.lists(other) {
			if list == nil {
				continue
			}
			list.items = slices.DeleteFunc(slices.Clone(list.items), func(item *node) bool {
				known = append(known, kind.name(item))
				if kind.name(item) != want {
					return false
				}
				found = true
				if password := item.get("password"); kind.key == "users" && password != nil {
					l.unused[password.text] = true
				}
				return true
			})
			if kind.key == "files" && l.exclude(list, name, want) {
				found = true
			}
		}
		dropEmptyLayers(other)
	}
	if found {
		return
	}
	for _, list := range kind.lists(file) {
		if slices.ContainsFunc(items(list), func(item *node) bool { return kind.name(item) == want }) {
			l.problems.add(name.position, "%s %s is in this file; delete it there", kind.noun, quote(name.text))
			return
		}
	}
	if near := spelling.Nearest(want, known); near != "" && near != want {
		l.problems.add(name.position, "no included recipe has the %s %s; did you mean %s?", kind.noun, quote(name.text), quote(near))
		return
	}
	l.problems.add(name.position, "no included recipe has the %s %s; remove this entry", kind.noun, quote(name.text))
}

// exclude leaves a path out of the source directories in a list of files, and reports whether one of them has it.
func (l *loader) exclude(files, name *node, target string) bool {
	found := false
	for _, item := range files.items {
		at, source := item.get("target"), item.get("source")
		if at == nil || source == nil {
			continue
		}
		below, err := filepath.Rel(path.Clean(at.text), target)
		if err != nil || below == "." || strings.HasPrefix(below, "../") || below == ".." {
			continue
		}
		if _, err := l.isDir(filepath.Join(relativeTo(source.file, source.text), below)); err != nil {
			continue
		}
		excluded := &node{position: name.position, kind: text, text: below}
		all := &node{position: name.position, kind: list, items: append(slices.Clone(items(item.get("exclude"))), excluded)}
		item.set(entry{key: "exclude", at: name.position, value: all})
		found = true
	}
	return found
}

// dropEmptyLayers removes layers of which nothing is left.
func dropEmptyLayers(file *node) {
	layers := file.get("layers")
	if layers == nil {
		return
	}
	layers.items = slices.DeleteFunc(slices.Clone(layers.items), func(layer *node) bool {
		for _, key := range []string{"packages", "install", "files", "users"} {
			if list := layer.get(key); list != nil && len(list.items) == 0 {
				return true
			}
		}
		return false
	})
}

// withoutSuite returns a package without the suite from which it is taken, and without the architecture in brackets.
func withoutSuite(name string) string {
	name, _, _ = strings.Cut(name, " ")
	name, _, _ = strings.Cut(name, "/")
	return name
}
