package recipes

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest is the name that a mistyped one was most likely meant to be, or "" where none is near: at most a third of its
// letters may differ, and one in any case.
func nearest(mistyped string, names []string) string {
	best, least := "", max(1, len(mistyped)/3)+1
	for _, name := range names {
		if gap := len(name) - len(mistyped); gap >= least || -gap >= least {
			continue
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(mistyped), name); d < least {
			best, least = name, d
		}
	}
	return best
}

// enumerate lists words in a sentence: a, b and c.
func enumerate(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
