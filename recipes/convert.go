package recipes

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// converter converts a file's syntax tree to nodes, and reports the parts of YAML that recipes do not have: anchors,
// aliases, merge keys, tags, directives, complex keys and further documents. Aliases are not followed, so that a few of
// them cannot expand to gigabytes.
type converter struct {
	file     string
	problems *Problems
}

// at returns a position in the file.
func (c converter) at(line, column int, path string) position {
	return position{c.file, line, column, path}
}

// start returns the position of a token.
func (c converter) start(t *token.Token, path string) position {
	return c.at(t.Position.Line, t.Position.Column, path)
}

// document converts a file of one document. It returns nil if the file is empty.
func (c converter) document(parsed *ast.File) *node {
	var bodies []ast.Node
	for _, doc := range parsed.Docs {
		if directive, ok := doc.Body.(*ast.DirectiveNode); ok {
			c.problems.add(c.start(directive.GetToken(), ""), "directives are not part of the format; remove this line")
			continue
		}
		if len(bodies) > 0 {
			at := doc.Start
			if at == nil && doc.Body != nil {
				at = doc.Body.GetToken()
			}
			if at != nil {
				c.problems.add(c.start(at, ""), "a recipe is one document; remove what follows, or include it as a file of its own")
			}
			break
		}
		bodies = append(bodies, doc.Body)
	}
	if len(bodies) == 0 || bodies[0] == nil {
		c.problems.add(c.at(1, 1, ""), "the file is empty; a recipe has at least a name and a base")
		return nil
	}
	return c.value(bodies[0], "")
}

// value converts a value of any kind.
func (c converter) value(from ast.Node, path string) *node {
	n := &node{position: c.start(from.GetToken(), path)}
	switch from := from.(type) {
	case *ast.MappingNode:
		c.mapping(n, from)
	case *ast.SequenceNode:
		c.list(n, from)
	case *ast.StringNode:
		n.kind, n.text = text, from.Value
	case *ast.LiteralNode:
		n.kind, n.text = text, from.Value.Value
	case *ast.NullNode:
		n.kind = null
	case *ast.BoolNode:
		n.kind, n.text = boolean, from.Token.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = number, from.GetToken().Value
	case *ast.AnchorNode:
		c.problems.add(n.position, "anchors are not part of the format; use a variable or include")
		return c.value(from.Value, path)
	case *ast.AliasNode:
		c.problems.add(n.position, "aliases are not part of the format; use a variable or include")
	case *ast.TagNode:
		c.problems.add(n.position, "tags are not part of the format; remove %s", from.GetToken().Value)
	default:
		c.problems.add(n.position, "%s is not part of the format; remove it", strings.ToLower(from.Type().YAMLName()))
	}
	return n
}

// list converts the items of a list.
func (c converter) list(n *node, from *ast.SequenceNode) {
	n.kind = list
	for i, value := range from.Values {
		n.items = append(n.items, c.value(value, itemPath(n.path, i)))
	}
}

// mapping converts the entries of a mapping, the first of each key.
func (c converter) mapping(n *node, from *ast.MappingNode) {
	n.kind = mapping
	if !from.IsFlowStyle && len(from.Values) > 0 {
		n.position = c.start(from.Values[0].Key.GetToken(), n.path) // the token of a block mapping is its first colon
	}
	for _, value := range from.Values {
		if key := value.Key.GetToken(); c.refusedKey(value.Key, c.start(key, n.path)) {
			continue
		}
		e := entry{key: value.Key.GetToken().Value}
		e.at = c.start(value.Key.GetToken(), keyPath(n.path, e.key))
		if first := n.entry(e.key); first != nil {
			c.problems.add(e.at, "is given twice, first in line %d; keep one of them", first.at.line)
			continue
		}
		e.value = c.value(value.Value, e.at.path)
		if e.value.kind == null {
			e.value.position = e.at // the token of an empty value has no useful position
		}
		n.entries = append(n.entries, e)
	}
}

// refusedKey reports a key that is not plain, and returns whether it is one.
func (c converter) refusedKey(key ast.MapKeyNode, at position) bool {
	switch key.(type) {
	case *ast.MergeKeyNode:
		c.problems.add(at, "merge keys are not part of the format; use include")
	case *ast.MappingKeyNode:
		c.problems.add(at, `keys with "?" are not part of the format; write key: value`)
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		c.problems.add(at, "anchors, aliases and tags are not part of the format; write the key alone")
	default:
		return false
	}
	return true
}
