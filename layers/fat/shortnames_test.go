package fat

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShorten(t *testing.T) {
	for name, want := range map[string]string{
		"CONFIG.TXT":     "CONFIG.TXT",
		"config.txt":     "CONFIG.TXT",
		"Config.Txt":     "CONFIG.TXT",
		"noextension":    "NOEXTENS lossy",
		"start4.elf":     "START4.ELF",
		"a":              "A",
		"a.b":            "A.B",
		"$%'-_@~`!(){}^": "$%'-_@~` lossy",
		"#&(){}.~!`":     "#&(){}.~!`",
		"a.b.c":          "AB.C lossy",
		".ssh":           "SSH lossy",
		"..two.dots":     "TWO.DOT lossy",
		"a b":            "AB lossy",
		"a+b,c;d=e":      "A_B_C_D_ lossy",
		"[x].y":          "_X_.Y lossy",
		"Grüße.txt":      "GR__E.TXT lossy",
		"😀":              "_ lossy",
		"KELVIN\u212a":   "KELVIN_ lossy",
		"x.jpeg":         "X.JPE lossy",
		"\x7f":           "_ lossy",
	} {
		s, lossless := shorten(name)
		got := s.String()
		if !lossless {
			got += " lossy"
		}
		require.Equal(t, want, got, name)
	}
}

// TestNumberedShortNames: numbers are unique, however many there are, and step aside for names that look numbered.
func TestNumberedShortNames(t *testing.T) {
	names := shortNames{used: map[shortName]bool{{"PICTUR~2", "JPG"}: true}, next: map[shortName]int{}}
	seen := map[shortName]bool{}
	for i := range 20_000 {
		for _, base := range []string{"PICTURE", "PICTURES", "AB", ""} {
			s := names.number(shortName{base, "JPG"})
			require.False(t, seen[s], s)
			require.LessOrEqual(t, len(s.base), 8)
			seen[s] = true
		}
		if i == 1 {
			require.Contains(t, seen, shortName{"PICTUR~3", "JPG"})
			require.Contains(t, seen, shortName{"AB~1", "JPG"})
		}
	}
	require.NotContains(t, seen, shortName{"PICTUR~2", "JPG"})
}

func TestLosslessNamesComeFirst(t *testing.T) {
	fs, err := Prepare(files(t, "long name 1", "LONGNA~1", "longname"), testOptions)
	require.NoError(t, err)
	var got []string
	for _, c := range fs.files[0].children {
		got = append(got, fmt.Sprintf("%s %s %d", c.file.path, c.short, c.longEntries()))
	}
	require.Equal(t, []string{"LONGNA~1 LONGNA~1    0", "long name 1 LONGNA~2    1", "longname LONGNAME    1"}, got)
}
