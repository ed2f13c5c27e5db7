package recipes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake of a recipe and the way out of it.
type Problem struct {
	File    string // as the user named it; of an included file: the way to it from where that name holds
	Line    int    // from 1
	Column  int    // in characters, from 1
	Path    string // of the value, such as layers[0].files[2].mode; empty for the whole file
	Message string // one line
}

// String is file:line:col: path: message.
func (p Problem) String() string {
	if p.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Path, p.Message)
}

// Problems are the mistakes of a recipe and of all that it includes, sorted by file and place.
type Problems []Problem

// Error is all mistakes, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// add notes a mistake at a place.
func (p *Problems) add(at place, format string, args ...any) {
	*p = append(*p, Problem{at.file, at.line, at.column, at.path, fmt.Sprintf(format, args...)})
}

// err is the mistakes in order, each once, or nil where there are none. An included file is looked at on its own and
// again as a part of the whole, so that most of its mistakes are found twice.
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
