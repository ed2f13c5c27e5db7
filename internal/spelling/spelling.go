// Package spelling guesses what was meant by a name that does not exist.
package spelling

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the name that differs from a mistyped one in the fewest characters, for "did you mean" messages. Upper
// case in mistyped counts as lower case; names are compared as they are. Nearest returns "" if each name differs in more
// characters than a third of the bytes of mistyped, where one difference is always allowed; of several nearest names it
// returns the first in alphabetical order.
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
