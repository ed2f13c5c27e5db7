// Package mirror says where to get what has a name on the Internet: from where the name says, or from a mirror nearer
// by. It downloads nothing.
package mirror

import (
	"fmt"
	"strings"
)

// Mirrors are the places to look in instead, by the beginnings of names: "github.com/" to "file:///srv/git/github.com/"
// for pallets and other files, "ghcr.io/" to "oci:/srv/images/" for images. A name does not contain https://.
type Mirrors map[string]string

// Parse reads mirrors of the form prefix=place.
func Parse(settings []string) (Mirrors, error) {
	m := Mirrors{}
	for _, s := range settings {
		prefix, to, ok := strings.Cut(s, "=")
		if !ok || prefix == "" || to == "" {
			return nil, fmt.Errorf("mirror %q is not of the form prefix=place, such as github.com/=file:///srv/git/github.com/", s)
		}
		m[prefix] = to
	}
	return m, nil
}

// Find is the place that the mirror with the longest beginning of a name gives for it, if there is one.
func (m Mirrors) Find(name string) (place string, ok bool) {
	longest := -1
	for prefix, to := range m {
		if rest, match := strings.CutPrefix(name, prefix); match && len(prefix) > longest {
			longest = len(prefix)
			place = to + rest
		}
	}
	return place, longest >= 0
}
