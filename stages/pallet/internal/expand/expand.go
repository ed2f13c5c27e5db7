// Package expand computes the size of YAML files after the expansion of aliases.
package expand

import (
	"math"

	"github.com/goccy/go-yaml/ast"
)

// Size returns the number of values of a file after the expansion of aliases, which can be exponential in the size of the
// file. It is math.MaxInt if an alias contains itself.
func Size(f *ast.File) int {
	e := expander{anchors: map[string]int{}}
	total := 0
	for _, doc := range f.Docs {
		total = sum(total, e.size(doc.Body))
	}
	return total
}

// expander has the sizes of the anchors before a node.
type expander struct{ anchors map[string]int }

func (e expander) size(node ast.Node) int {
	switch n := node.(type) {
	case *ast.AnchorNode:
		e.anchors[n.Name.GetToken().Value] = math.MaxInt // until its size is known: the size of one that contains itself
		size := e.size(n.Value)
		e.anchors[n.Name.GetToken().Value] = size
		return size
	case *ast.AliasNode:
		return max(1, e.anchors[n.Value.GetToken().Value])
	case *ast.TagNode:
		return e.size(n.Value)
	case *ast.MappingNode:
		total := 1
		for _, v := range n.Values {
			total = sum(total, e.size(v))
		}
		return total
	case *ast.MappingValueNode:
		return sum(e.size(n.Key), e.size(n.Value))
	case *ast.SequenceNode:
		total := 1
		for _, v := range n.Values {
			total = sum(total, e.size(v))
		}
		return total
	}
	return 1
}

// sum adds without overflow.
func sum(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}
