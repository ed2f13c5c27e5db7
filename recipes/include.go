package recipes

import (
	"path/filepath"
	"slices"
	"strings"
)

// open parses a file after the files that it includes. The trail is the chain of files that include it.
func (l *loader) open(name string, src []byte, trail []string) {
	l.opened[filepath.Clean(name)] = true
	if l.included[filepath.Clean(name)] == nil {
		l.included[filepath.Clean(name)] = map[string]bool{}
	}
	root := parse(name, src, &l.problems)
	if root == nil {
		l.incomplete = true
		return
	}
	trail = append(slices.Clone(trail), filepath.Clean(name))
	if included := root.get("include"); included != nil {
		for _, one := range included.items {
			l.include(one, trail)
		}
	}
	l.files = append(l.files, root)
}

// include opens an included file, unless it is open already: two files may include the same third.
func (l *loader) include(at *node, trail []string) {
	if at.kind != text {
		return // the decoder reports it
	}
	if strings.Contains(at.text, "${") {
		l.incomplete = true
		l.problems.add(at.position, "an include cannot use variables, since it may set them; write the path out")
		return
	}
	if err := checkPath(at.text); err != nil {
		l.incomplete = true
		l.problems.add(at.position, "%s", err)
		return
	}
	name := relativeTo(at.file, at.text)
	if shippedName, ok := strings.CutPrefix(at.text, shippedScheme); ok {
		var err error
		if name, err = shippedPath(l.options.Shipped, shippedName); err != nil {
			l.incomplete = true
			l.problems.add(at.position, "%s", err)
			return
		}
	}
	if i := slices.Index(trail, name); i >= 0 {
		circle := append(slices.Clone(trail[i:]), name)
		l.problems.add(at.position, "the file includes itself: %s; remove one of these", strings.Join(circle, " -> "))
		return
	}
	defer func() {
		for _, above := range trail {
			l.included[above][name] = true
			for below := range l.included[name] {
				l.included[above][below] = true
			}
		}
	}()
	if l.opened[name] {
		return
	}
	src, err := l.read(name)
	if err != nil {
		l.incomplete = true
		l.problems.add(at.position, "%s: %s; paths are relative to the file that names them", name, reason(err))
		return
	}
	l.open(name, src, trail)
}

// relativeTo returns the path of a file that another file names.
func relativeTo(file, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(file), name)
}
