package recipes

import "strings"

// nearest is the name that a mistyped one was most likely meant to be, or "" where none is near: at most a third of its
// letters may differ, and one in any case.
func nearest(mistyped string, names []string) string {
	best, least := "", max(1, len(mistyped)/3)+1
	for _, name := range names {
		if gap := len(name) - len(mistyped); gap >= least || -gap >= least {
			continue
		}
		if d := distance(strings.ToLower(mistyped), name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters that must be added, removed or changed to make one word the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// enumerate lists words in a sentence: a, b and c.
func enumerate(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
