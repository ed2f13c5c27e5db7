// Package listing lists directories for comparison in tests: two with the same lines are equal in everything that Docker takes
// from a layer.
package listing

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Of lists a directory and all files below it, a line for each: type, mode, owner, time, path, size, digest or link
// target or device number, extended attributes, and the first name of a hard link. Two equal trees give equal lines: it
// leaves out times after now, which are those of unpacking, and the extended attributes that overlayfs sets in an
// upperdir, except those of opaque and redirected directories.
func Of(dir string, now time.Time) ([]string, error) {
	files, err := tree.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	first := map[*tree.Node]string{}
	var out []string
	for name, n := range files.Walk() {
		if _, known := first[n]; !known {
			first[n] = name
		}
		line, err := describe(n, name, now)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", filepath.Join(dir, name), err)
		}
		if first[n] != name {
			line += fmt.Sprintf(" is %q", first[n])
		}
		out = append(out, line)
	}
	return out, nil
}

// describe returns the line of a file. It leaves out the time of a whiteout, which is that of its creation.
func describe(n *tree.Node, name string, now time.Time) (string, error) {
	when := "-"
	if !n.IsWhiteout() && n.ModTime.Before(now) {
		when = n.ModTime.UTC().Format(time.RFC3339Nano)
	}
	words := []string{n.Type.String(), fmt.Sprintf("%04o %d:%d %s %q", n.Mode, n.UID, n.GID, when, name)}
	switch n.Type {
	case tree.Regular:
		d, err := digest.FromReader(n.Content.Reader())
		if err != nil {
			return "", err
		}
		words = append(words, fmt.Sprint(n.Content.Size), d.String())
	case tree.Symlink:
		words = append(words, fmt.Sprintf("-> %q", n.Target))
	case tree.Char, tree.Block:
		words = append(words, fmt.Sprintf("%d:%d", n.Major, n.Minor))
	}
	for _, x := range slices.Sorted(maps.Keys(n.Xattrs)) {
		if x == "trusted.overlay.uuid" || x == "trusted.overlay.impure" || x == "trusted.overlay.origin" {
			continue
		}
		words = append(words, fmt.Sprintf("%s=%q", x, n.Xattrs[x]))
	}
	return strings.Join(words, " "), nil
}
