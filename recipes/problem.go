package recipes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is a mistake in a recipe, with its place in the file and how to correct it.
type Problem struct {
	File    string // as the user named it; an included file is relative to the same directory
	Line    int    // from 1
	Column  int    // in characters, from 1
	Path    string // of the value, such as layers[0].files[2].mode; empty for the whole file
	Message string // one line
}

// String returns the mistake as file:line:column: path: message.
func (p Problem) String() string {
	if p.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Path, p.Message)
}

// Problems is an error that lists the mistakes in a recipe and its included files, sorted by file and position.
type Problems []Problem

// Error returns all mistakes, one per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// add adds a mistake.
func (p *Problems) add(at position, format string, args ...any) {
	*p = append(*p, Problem{at.file, at.line, at.column, at.path, fmt.Sprintf(format, args...)})
}

// err returns the mistakes in order without duplicates, or nil if there are none. Files are checked one by one and again
// after merging, so that most mistakes are found twice.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(p)
}
