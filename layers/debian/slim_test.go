package debian

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlimDrops(t *testing.T) {
	const (
		manual, text    = "usr/share/man/man1/ls.1.gz", "usr/share/doc/x/README"
		of, licence     = "usr/share/doc/x", "usr/share/doc/x/copyright"
		other           = "usr/share/doc/x/y/copyright"
		german, austria = "usr/share/locale/de/LC_MESSAGES/x.mo", "usr/share/locale/de_AT/LC_MESSAGES/x.mo"
		danish          = "usr/share/locale/da/LC_MESSAGES/x.mo"
		alias, locales  = "usr/share/locale/locale.alias", "usr/share/locale"
		program         = "usr/share/documents/x"
	)
	all := []string{manual, text, of, licence, other, german, austria, danish, alias, locales, program}
	for name, c := range map[string]struct {
		slim *Slim
		want []string // what is dropped
	}{
		"none":      {nil, nil},
		"all":       {&Slim{}, []string{manual, text, other, german, austria, danish}},
		"docs":      {&Slim{Docs: true}, []string{german, austria, danish}},
		"locales":   {&Slim{Locales: []string{"de"}}, []string{manual, text, other, danish}},
		"countries": {&Slim{Docs: true, Locales: []string{"de_AT"}}, []string{german, danish}},
	} {
		var got []string
		for _, file := range all {
			if c.slim.drops(file) {
				got = append(got, file)
			}
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestSlimConfig(t *testing.T) {
	require.Equal(t, `path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-include /usr/share/locale/de/*
path-include /usr/share/locale/de_*/*
path-include /usr/share/locale/de@*/*
`, (&Slim{Docs: true, Locales: []string{"de"}}).config())
	require.Contains(t, (&Slim{}).config(), "path-exclude /usr/share/man/*\npath-include /usr/share/doc/*/copyright\n")
}
