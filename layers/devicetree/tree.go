package devicetree

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"
	"strings"
)

// Tree is a device tree: the description of a board's hardware that the firmware passes to the kernel.
type Tree struct {
	Root     *Node
	Reserved []Reservation // of memory
	BootCPU  uint32
}

// Reservation is a region of memory that the kernel must not use, in bytes.
type Reservation struct{ Address, Size uint64 }

// Node is a node of a device tree: its name, properties and children.
type Node struct {
	Name       string // with the unit address
	Properties []Property
	Children   []*Node
}

// Property is a named value of a node in a device tree, as raw bytes.
type Property struct {
	Name  string
	Value []byte
}

// Get returns the value of a property, and whether the node has it.
func (n *Node) Get(name string) ([]byte, bool) {
	i := slices.IndexFunc(n.Properties, func(p Property) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return n.Properties[i].Value, true
}

// Text returns the value of a property up to its first NUL, "" if the node does not have it.
func (n *Node) Text(name string) string {
	value, _ := n.Get(name)
	text, _, _ := bytes.Cut(value, []byte{0})
	return string(text)
}

// Set sets the value of a property, which it adds if the node does not have it.
func (n *Node) Set(name string, value []byte) {
	i := slices.IndexFunc(n.Properties, func(p Property) bool { return p.Name == name })
	if i < 0 {
		n.Properties = append(n.Properties, Property{name, value})
		return
	}
	n.Properties[i].Value = value
}

// Remove removes a property, if the node has it.
func (n *Node) Remove(name string) {
	n.Properties = slices.DeleteFunc(n.Properties, func(p Property) bool { return p.Name == name })
}

// Child returns the child with a name, nil if there is none. A name without a unit address matches the first child of that
// name, whatever its unit address.
func (n *Node) Child(name string) *Node {
	for _, c := range n.Children {
		base, _, _ := strings.Cut(c.Name, "@")
		if c.Name == name || !strings.Contains(name, "@") && base == name {
			return c
		}
	}
	return nil
}

// Lookup returns the node at a path, nil if there is none. A path without a leading slash begins with an alias.
func (t *Tree) Lookup(path string) *Node {
	if !strings.HasPrefix(path, "/") {
		alias, rest, _ := strings.Cut(path, "/")
		aliases := t.Root.Child("aliases")
		if aliases == nil || aliases.Text(alias) == "" || !strings.HasPrefix(aliases.Text(alias), "/") {
			return nil
		}
		path = aliases.Text(alias) + "/" + rest
	}
	n := t.Root
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		if n = n.Child(name); n == nil {
			return nil
		}
	}
	return n
}

// Nodes returns all nodes with their paths, parents first.
func (t *Tree) Nodes() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) { t.Root.walk("", yield) }
}

func (n *Node) walk(path string, yield func(string, *Node) bool) bool {
	at := path
	if at == "" {
		at = "/"
	}
	if !yield(at, n) {
		return false
	}
	for _, c := range n.Children {
		if !c.walk(path+"/"+c.Name, yield) {
			return false
		}
	}
	return true
}

// phandle returns the number by which properties refer to the node, 0 if it has none.
func (n *Node) phandle() uint32 {
	for _, name := range []string{"phandle", "linux,phandle"} {
		if value, ok := n.Get(name); ok && len(value) == 4 {
			return binary.BigEndian.Uint32(value)
		}
	}
	return 0
}

// byPhandle returns a node and its path, or nil.
func (t *Tree) byPhandle(phandle uint32) (string, *Node) {
	for path, n := range t.Nodes() {
		if phandle != 0 && n.phandle() == phandle {
			return path, n
		}
	}
	return "", nil
}

func (n *Node) clone() *Node {
	c := &Node{Name: n.Name, Properties: slices.Clone(n.Properties)}
	for i := range c.Properties {
		c.Properties[i].Value = slices.Clone(c.Properties[i].Value)
	}
	for _, child := range n.Children {
		c.Children = append(c.Children, child.clone())
	}
	return c
}
