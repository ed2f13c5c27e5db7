// Package mirror maps names on the Internet to the places of mirrors. It downloads nothing.
package mirror

import (
	"fmt"
	"strings"
)

// Mirrors maps prefixes of names to locations that replace them: "github.com/" to "file:///srv/git/github.com/" for
// pallets and files, "ghcr.io/" to "oci:/srv/images/" for images. Names do not contain https://.
type Mirrors map[string]string

// Parse parses mirror settings of the form prefix=place, such as github.com/=file:///srv/git/github.com/. It fails if a
// prefix or a place is empty. Of several settings with the same prefix the last one counts.
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

// Find returns the mirror location for the name of a repository, file or image: the location of the longest prefix that
// matches, followed by the rest of the name. ok is false if no prefix matches.
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
