package tree

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Youngest returns the latest modification time of all entries; the zero time if none has one.
func (t *Tree) Youngest() time.Time {
	var latest time.Time
	for _, n := range t.Walk() {
		if n.ModTime.After(latest) {
			latest = n.ModTime
		}
	}
	return latest
}

// MetadataDigest returns a SHA-256 over all metadata of a tree, without reading contents. Equal trees have equal digests. A
// changed content changes the digest only through the size or modification time of its file.
func (t *Tree) MetadataDigest() [sha256.Size]byte {
	h := sha256.New()
	first := map[*Node]string{}
	for name, n := range t.Walk() {
		if other, known := first[n]; known {
			fmt.Fprintf(h, "%q is %q\n", name, other)
			continue
		}
		first[n] = name
		fmt.Fprintf(h, "%q %d %o %d:%d %d %d %q %d:%d\n", name, n.Type, n.Mode, n.UID, n.GID, n.ModTime.UnixNano(),
			n.Content.Size, n.Target, n.Major, n.Minor)
		if flags := n.flags(); flags != "" {
			fmt.Fprintf(h, " flags %s\n", flags)
		}
		for _, key := range slices.Sorted(maps.Keys(n.Xattrs)) {
			fmt.Fprintf(h, " %q=%q\n", key, n.Xattrs[key])
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
