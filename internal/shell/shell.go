// Package shell quotes text for a POSIX shell.
package shell

import "strings"

// Quote returns a word in single quotes, so that a POSIX shell reads exactly this word.
func Quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// Join returns a command line for a POSIX shell. Only words that need quotes get some, so that people can read it.
func Join(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\$&|;<>()*?[]#~`!{}") {
			w = Quote(w)
		}
		quoted[i] = w
	}
	return strings.Join(quoted, " ")
}
