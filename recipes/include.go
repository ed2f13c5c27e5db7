package recipes

import (
	"path/filepath"
	"slices"
	"strings"
)

// open parses a file and, before it, those that it includes. The trail is the files that lead to it.
func (l *loader) open(name string, src []byte, trail []string) {
	l.opened[filepath.Clean(name)] = true
	root := parse(name, src, &l.problems)
	if root == nil {
		l.lacking = true
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

// include opens a file that another names. A file that was opened before counts once, so that two files may start from
// the same third.
func (l *loader) include(at *node, trail []string) {
	if at.kind != text {
		return // the decoder says so
	}
	if strings.Contains(at.text, "${") {
		l.lacking = true
		l.problems.add(at.place, "an include cannot use variables, since it may set them; write the path out")
		return
	}
	if err := checkPath(at.text); err != nil {
		l.lacking = true
		l.problems.add(at.place, "%s", err)
		return
	}
	name := relativeTo(at.file, at.text)
	if i := slices.Index(trail, name); i >= 0 {
		circle := append(slices.Clone(trail[i:]), name)
		l.problems.add(at.place, "the file includes itself: %s; remove one of these", strings.Join(circle, " -> "))
		return
	}
	if l.opened[name] {
		return
	}
	src, err := l.read(name)
	if err != nil {
		l.lacking = true
		l.problems.add(at.place, "%s: %s; paths are relative to the file that names them", name, reason(err))
		return
	}
	l.open(name, src, trail)
}

// relativeTo is the path of a file that another file names.
func relativeTo(file, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(file), name)
}
