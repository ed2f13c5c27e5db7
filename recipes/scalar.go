package recipes

import (
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// number decodes an unsigned 32-bit number, written out or as a variable.
func (d *decoder) number(n *node, v reflect.Value) {
	value, err := strconv.ParseUint(n.text, 10, 32)
	decimal := err == nil && strconv.FormatUint(value, 10) == n.text
	switch {
	case n.kind == text && !n.expanded && decimal:
		d.mismatch(n, number, "remove the quotes")
	case n.kind != number && !(n.kind == text && n.expanded):
		d.mismatch(n, number, "write decimal digits")
	case !decimal:
		d.problems.add(n.position, "%s is not a number from 0 to 4294967295; write decimal digits", quote(n.text))
	default:
		v.SetUint(value)
	}
}

// boolean decodes true or false, written out or as a variable.
func (d *decoder) boolean(n *node, v reflect.Value) {
	value := strings.ToLower(n.text)
	known := value == "true" || value == "false"
	switch {
	case n.kind == text && !n.expanded && known:
		d.mismatch(n, boolean, "remove the quotes")
	case n.kind != boolean && !(n.kind == text && n.expanded):
		d.mismatch(n, boolean, "write true or false")
	case !known:
		d.problems.add(n.position, "%s is neither true nor false; write one of them", quote(n.text))
	default:
		v.SetBool(value == "true")
	}
}

// text decodes a string.
func (d *decoder) text(n *node, f field, v reflect.Value) {
	shown := quote(n.text)
	if f.private {
		shown = "the value"
	}
	switch {
	case n.kind == number || n.kind == boolean:
		d.mismatch(n, text, "put it in quotes")
	case n.kind != text:
		d.mismatch(n, text, "write a single value")
	case strings.ContainsRune(n.text, 0):
		d.problems.add(n.position, "value contains a NUL byte; remove it")
	case len(f.enum) > 0 && !slices.Contains(f.enum, n.text):
		d.problems.add(n.position, "%s is not supported; write %s", shown, strings.Join(f.enum, " or "))
	case f.pattern != nil && !f.pattern.MatchString(n.text):
		d.problems.add(n.position, "%s is invalid; write %s", shown, f.hint)
	case f.path != "":
		d.path(n, f, v)
	default:
		if err := checkFormat(f.format, n.text); err != nil {
			d.problems.add(n.position, "%s", err)
			return
		}
		v.SetString(n.text)
	}
}

// path decodes a file name, which is relative to the file that contains it, into one relative to the recipe.
func (d *decoder) path(n *node, f field, v reflect.Value) {
	if n.text == "" {
		d.problems.add(n.position, "path is empty; write the path of a file")
		return
	}
	if err := checkPath(n.text); err != nil {
		d.problems.add(n.position, "%s", err)
		return
	}
	if f.path == "url" && strings.Contains(n.text, "://") {
		v.SetString(n.text)
		return
	}
	transport, file, tag := "", n.text, ""
	if f.path == "transport" {
		transport, file, tag = splitTransport(n.text)
	}
	name := relativeTo(n.file, file)
	if f.path != "optional" {
		isDir, err := d.isDir(name)
		if err != nil {
			d.problems.add(n.position, "%s: %s; paths are relative to the file that names them", name, reason(err))
			return
		}
		if f.path == "dir" && !isDir {
			d.problems.add(n.position, "%s is a file; name a directory", name)
			return
		}
	}
	if relative, err := filepath.Rel(d.dir, name); err == nil && !filepath.IsAbs(file) {
		name = relative
	}
	v.SetString(transport + name + tag)
}

// splitTransport splits the source of a container image into the transport with its colon, the path, and the tag with its
// colon.
func splitTransport(source string) (transport, file, tag string) {
	transport, file, _ = strings.Cut(source, ":")
	file, tag, tagged := strings.Cut(file, ":")
	if tagged {
		tag = ":" + tag
	}
	return transport + ":", file, tag
}
