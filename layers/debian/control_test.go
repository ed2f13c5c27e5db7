package debian

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseStanza(t *testing.T) {
	got := parseStanza("\nPackage: a\n# a comment\nDescription: short\n long\n .\n more\nEmpty:\n\nPackage: b\n")
	require.Equal(t, stanza{"package": "a", "description": "short\n long\n .\n more", "empty": ""}, got)
	require.Empty(t, parseStanza(" continues nothing\n"))
}

func TestRelations(t *testing.T) {
	s := stanza{"depends": "libc6 (>= 2.38), awk | mawk:any, debconf (>= 0.5) | debconf-2.0,\n foo [arm64] <!nocheck>, "}
	require.Equal(t, [][]string{{"libc6"}, {"awk", "mawk"}, {"debconf", "debconf-2.0"}, {"foo"}}, s.relations("depends"))
	require.Empty(t, s.relations("pre-depends"))
}

func FuzzParseStanza(f *testing.F) {
	f.Add("Package: a\nDepends: b (>= 1) | c, d\n e\n")
	f.Add("\n:\n x")
	f.Fuzz(func(t *testing.T, text string) {
		s := parseStanza(text)
		for field := range s {
			for _, group := range s.relations(field) {
				require.NotEmpty(t, group)
				require.NotContains(t, group, "")
			}
		}
	})
}
