package recipes

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of one file. The parser's time grows with the square of the number of keys, and its stack with their depth. A
// recipe of a thousand lines stays far below.
const (
	maxBytes  = 256 << 10
	maxTokens = 20_000
	maxDepth  = 64
)

// parse parses a YAML file. It returns nil if the file cannot be checked any further.
func parse(file string, src []byte, problems *Problems) *node {
	c := converter{file: file, problems: problems}
	if line, column, mistake := encodingMistake(src); mistake != "" {
		problems.add(c.at(line, column, ""), "%s", mistake)
		return nil
	}
	parsed, err := parseYAML(src)
	var beyond *outOfBoundsError
	switch {
	case errors.As(err, &beyond):
		problems.add(c.start(beyond.from, ""), "%s", beyond)
		return nil
	case err != nil:
		c.syntax(string(src), err)
		return nil
	}
	return c.document(parsed)
}

// parseYAML calls the YAML parser. It accepts duplicate keys, of which the parser would report only the first.
func parseYAML(src []byte) (parsed *ast.File, err error) {
	// The parser has a history of panics on broken input (goccy/go-yaml#274, #479): the recipe's mistake, not a crash.
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("YAML syntax is too broken to locate the mistake")
		}
	}()
	tokens := lexer.Tokenize(string(src))
	if err := checkBounds(tokens); err != nil {
		return nil, err
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// outOfBoundsError is returned for a file beyond the limits.
type outOfBoundsError struct {
	from   *token.Token // the first token beyond the limits
	remedy string
}

func (e *outOfBoundsError) Error() string { return e.remedy }

// checkBounds checks the number of tokens and their depth.
func checkBounds(tokens token.Tokens) error {
	if len(tokens) > maxTokens {
		return &outOfBoundsError{
			tokens[maxTokens], "the file is too long; move what follows to a file of its own and include it",
		}
	}
	brackets, inLine, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			inLine, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			inLine++
		}
		if brackets+inLine > maxDepth {
			return &outOfBoundsError{t, "value is nested more than 64 levels deep; flatten it"}
		}
	}
	return nil
}

// syntax reports a syntax error, and explains two common ones better than the parser.
func (c converter) syntax(src string, err error) {
	at, message := c.at(1, 1, ""), err.Error()
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		position := syntax.GetToken().Position
		at, message = c.at(position.Line, position.Column, ""), syntax.GetMessage()
	}
	line := lineOf(src, at.line)
	indentation := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	if tab := strings.IndexByte(indentation, '\t'); tab >= 0 {
		c.problems.add(c.at(at.line, tab+1, ""), "a tab cannot indent YAML; use spaces")
		return
	}
	if strings.Contains(line, "${") {
		message += "; a string with ${…} needs quotes inside { } and [ ]"
	}
	c.problems.add(at, "file is not valid YAML: %s", message)
}

// lineOf returns a line of a text, counted from 1.
func lineOf(src string, number int) string {
	lines := strings.Split(src, "\n")
	if number < 1 || number > len(lines) {
		return ""
	}
	return lines[number-1]
}
