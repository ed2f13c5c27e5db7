package template

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestExpand(t *testing.T) {
	const long = "abcdefghijklmnopqrstuvwxyz0123456789"
	for _, c := range []struct {
		name      string
		variables Variables
		template  string
		want      string
	}{
		{"value", Variables{"machine-name": "metal-slope-23501"}, "pkscope-{machine-name}", "pkscope-metal-slope-23501"},
		{"two variables", Variables{"machine-name": "a", "hostname": "b"}, "{hostname}.{machine-name}", "b.a"},
		{"unset", nil, "pkscope-{machine-name}", "# Disabled because {machine-name} is unset: pkscope-{machine-name}"},
		{"empty", Variables{"hostname": ""}, "x {hostname} y", "# Disabled because {hostname} is unset: x {hostname} y"},
		{"only a comment", Variables{"hostname": "# none"}, "{hostname}", "# Disabled because {hostname} is unset: {hostname}"},
		{"unset, limited", nil, "ssid={hostname-32}", "# Disabled because {hostname} is unset: ssid={hostname-32}"},
		{"first unset one", Variables{"machine-name": "a"}, "{machine-name} {hostname} {custom-domain}\n",
			"# Disabled because {hostname} is unset: {machine-name} {hostname} {custom-domain}\n"},
		{"32 bytes", Variables{"hostname": long}, "ssid={hostname-32}", "ssid=" + long[:32]},
		{"12 bytes", Variables{"hostname": long}, "{hostname-12}", long[:12]},
		{"limit above length", Variables{"hostname": "abc"}, "{hostname-16}", "abc"},
		{"whole characters", Variables{"custom-domain": "ééééé"}, "{custom-domain-8}{custom-domain-3}", "éééé" + "é"},
		{"special characters of sed", Variables{"hostname": `a&b/c\d`}, "{hostname}", `a&b/c\d`},
		{"quotes", Variables{"hostname": `x"y'z`}, "{hostname}", `x"y'z`},
		{"dollar", Variables{"hostname": "$1${x}"}, "{hostname}", "$1${x}"},
		{"a value is no template", Variables{"hostname": "{machine-name}", "machine-name": "m"}, "{hostname}", "{machine-name}"},
		{"newline in a value", Variables{"hostname": "a\nb"}, "h={hostname}\nx", "h=ab\nx"},
		{"comment", Variables{"hostname": "a"}, "# {hostname}\n {hostname}", "# {hostname}\n a"},
		{"not a variable", Variables{"hostname": "a"}, "{other} {} {hostname", "{other} {} {hostname"},
		{"CRLF", Variables{"hostname": "a"}, "{hostname}\r\n", "a\r\n"},
		{"no text", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, Expand(c.template, c.variables)) })
	}
}

func TestValue(t *testing.T) {
	for text, want := range map[string]string{
		"metal-slope\n":           "metal-slope",
		"# a name\n\nlab 3 # old": "lab3",
		"a\nb\n":                  "ab",
		"\tx\r\n":                 "x",
		"océan":                   "océan",
		"":                        "",
	} {
		require.Equal(t, want, Value(text), "%q", text)
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("ssid={hostname-32}\n#{hostname}\n{machine-name}", "é\n#", "m")
	f.Fuzz(func(t *testing.T, template, hostname, name string) {
		got := Expand(template, Variables{"hostname": hostname, "machine-name": name})
		require.Equal(t, strings.Count(template, "\n"), strings.Count(got, "\n"), "a value adds no line")
		if utf8.ValidString(template) && utf8.ValidString(hostname) && utf8.ValidString(name) {
			require.True(t, utf8.ValidString(got))
		}
	})
}
