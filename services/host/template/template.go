// Package template expands the templates of a device's configuration files: text with variables such as {machine-name}. It
// does not know where the files are, nor where the values come from.
package template

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names returns the names of the variables that a template can have.
func Names() []string { return []string{"machine-name", "hostname", "custom-domain"} }

// Variables maps the names of variables to their values. One that is missing or empty is unset.
type Variables map[string]string

// reference matches a variable, such as {hostname}, or its first bytes, such as {hostname-32}.
var reference = regexp.MustCompile(`\{([a-z]+(?:-[a-z]+)*)(?:-([0-9]{1,3}))?\}`)

// Expand replaces {name} in a template by the variable's value, and {name-N} by at most its first N bytes, without
// splitting a character. A line with a variable that is unset becomes a comment that says so. Comment lines, which
// begin with #, and names that are no variables are not changed.
func Expand(template string, v Variables) string {
	lines := strings.SplitAfter(template, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "#") {
			lines[i] = v.expandLine(line)
		}
	}
	return strings.Join(lines, "")
}

func (v Variables) expandLine(line string) string {
	unset := ""
	expanded := reference.ReplaceAllStringFunc(line, func(text string) string {
		match := reference.FindStringSubmatch(text)
		if !slices.Contains(Names(), match[1]) {
			return text
		}
		value := Value(v[match[1]])
		if value == "" && unset == "" {
			unset = match[1]
		}
		return firstBytes(value, match[2])
	})
	if unset != "" {
		return fmt.Sprintf("# Disabled because {%s} is unset: %s", unset, line)
	}
	return expanded
}

// firstBytes returns the first characters of a value that have at most as many bytes as limit says, a decimal number. It
// returns the whole value if limit is empty.
func firstBytes(value, limit string) string {
	n, err := strconv.Atoi(limit)
	if err != nil || n >= len(value) {
		return value
	}
	for n > 0 && !utf8.RuneStart(value[n]) {
		n--
	}
	return value[:n]
}

// Value returns the value in the text of a file such as /etc/machine-name: without comments, which begin with #, and
// without white space and control characters.
func Value(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		b.WriteString(strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || unicode.IsControl(r) {
				return -1
			}
			return r
		}, line))
	}
	return b.String()
}
