// Package yamldoc decodes a YAML document into a struct, strictly: unknown and duplicate keys, wrong types and values that
// do not match a field's tags are problems, each with its place, and all are reported in one run. The same tags give the
// document's JSON Schema. It supports neither anchors and aliases nor several documents.
//
// The tags of a field:
//
//	yaml:"name"           the key
//	doc:"…"               description, for the schema
//	required:"true"       the key must be present
//	enum:"a,b"            allowed strings, also of a list's items
//	pattern:"^[a-z]+$"    regular expression for strings, for a list's items, or for the keys of a map
//	hint:"…"              what to write, for the message about a value that does not match the pattern
//	oneof:"group"         exactly one field of the group must be present
//	short:"true"          a scalar or list in place of the mapping sets this field
//
// Fields are strings, bools, ints, structs, pointers, slices, maps with string keys, and types that implement
// encoding.TextUnmarshaler.
package yamldoc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a document: the parser's time grows with the square of the number of keys, its stack with their depth.
const (
	maxBytes = 256 << 10
	maxDepth = 64 // of brackets
)

// Place is the file, line, column and path of a value in a YAML document, for messages.
type Place struct {
	File         string
	Line, Column int    // from 1
	Path         string // such as steps[0].boot; "" for the whole document
}

// String returns file:line:column: path.
func (p Place) String() string {
	s := fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	if p.Path != "" {
		s += ": " + p.Path
	}
	return s
}

// Problem is one mistake in a YAML document, with its place.
type Problem struct {
	Place
	Message string
}

// String returns file:line:column: path: message.
func (p Problem) String() string { return p.Place.String() + ": " + p.Message }

// Problems is an error that lists all mistakes in a YAML document, sorted by place.
type Problems []Problem

// Error returns all mistakes, one to a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Places maps pointers to decoded values to their places in the YAML document.
type Places map[any]Place

// Decode decodes a YAML document into the struct to which v points, and returns the place (file, line, column) of each
// decoded value. Unknown keys and values of the wrong type are errors, all of them in one error of type Problems.
func Decode(file string, src []byte, v any) (Places, error) {
	d := decoder{file: file, places: Places{}}
	root, err := parse(src)
	switch {
	case len(src) > maxBytes:
		d.add(Place{file, 1, 1, ""}, "file has %d bytes, want at most %d", len(src), maxBytes)
	case err != nil:
		d.syntax(err)
	case root == nil:
		d.add(Place{file, 1, 1, ""}, "file is empty")
	default:
		d.root(root, v)
	}
	return d.places, d.problems.sorted()
}

// Add adds a problem at a place to err, which is nil or of type Problems, and returns the result, sorted by place. An error
// of another type is returned unchanged, and the problem is dropped.
func Add(err error, at Place, format string, args ...any) error {
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	return append(problems, Problem{at, fmt.Sprintf(format, args...)}).sorted()
}

// sorted returns the problems by place, or nil if there are none.
func (p Problems) sorted() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return p
}

// parse returns the body of the document, nil if there is none.
func parse(src []byte) (body ast.Node, err error) {
	// The parser has panicked on broken input before (goccy/go-yaml#274, #479).
	defer func() {
		if r := recover(); r != nil {
			body, err = nil, errors.New("file is not valid YAML")
		}
	}()
	if len(src) > maxBytes {
		return nil, nil
	}
	tokens, depth := lexer.Tokenize(string(src)), 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		if depth > maxDepth {
			return nil, &yaml.SyntaxError{Message: "brackets are nested too deeply", Token: t}
		}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			return nil, &yaml.SyntaxError{Message: "second document; a file has one", Token: doc.Body.GetToken()}
		}
		body = doc.Body
	}
	return body, nil
}

// syntax reports an error of the parser.
func (d *decoder) syntax(err error) {
	at, message := Place{d.file, 1, 1, ""}, err.Error()
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		position := syntax.GetToken().Position
		at.Line, at.Column, message = position.Line, position.Column, syntax.GetMessage()
	}
	d.add(at, "file is not valid YAML: %s", message)
}
