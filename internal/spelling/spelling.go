// Package spelling guesses what was meant by a name that does not exist.
package spelling

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest is the name that the fewest edits lead to from a mistyped one, which may have capitals, or "" where none is
// near: at most a third of its bytes may differ, and one in any case. Of several it is the first in alphabetical order.
func Nearest(mistyped string, names []string) string {
	mistyped = strings.ToLower(mistyped)
	best, least := "", max(1, len(mistyped)/3)+1
	for _, name := range names {
		if gap := len(name) - len(mistyped); gap > least || -gap > least {
			continue // there may be tens of thousands, and the distance is no shorter
		}
		if d := levenshtein.ComputeDistance(mistyped, name); d < least || d == least && name < best {
			best, least = name, d
		}
	}
	return best
}
