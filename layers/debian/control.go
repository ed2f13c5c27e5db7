package debian

import (
	"strings"
)

// stanza is one paragraph of deb822(5): field names in lower case, values with their continuation lines.
type stanza map[string]string

// parseStanza parses the first paragraph of a control file.
func parseStanza(text string) stanza {
	out := stanza{}
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.TrimSpace(line) == "":
			if len(out) > 0 {
				return out
			}
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				out[last] += "\n" + line
			}
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(name)
			out[last] = strings.TrimSpace(value)
		}
	}
	return out
}

// relations returns the package names in a field such as Depends: a list of alternatives for each item. It drops
// versions and architectures, which apt has checked.
func (s stanza) relations(field string) [][]string {
	var out [][]string
	for group := range strings.SplitSeq(s[field], ",") {
		var names []string
		for alternative := range strings.SplitSeq(group, "|") {
			name := strings.TrimSpace(alternative)
			if end := strings.IndexAny(name, " \t\n([<:"); end >= 0 {
				name = name[:end]
			}
			if name != "" {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			out = append(out, names)
		}
	}
	return out
}
