package devicetree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Names of the nodes by which overlays refer to what is outside of them.
const (
	symbolsNode     = "__symbols__"
	fixupsNode      = "__fixups__"
	localFixupsNode = "__local_fixups__"
	overlayNode     = "__overlay__"
)

// Merge merges an overlay into the tree, as fdt_overlay_apply of libfdt does. The overlay is not changed, and neither is the
// tree if Merge fails.
func (t *Tree) Merge(overlay *Tree) error {
	base, o := &Tree{Root: t.Root.clone()}, &Tree{Root: overlay.Root.clone()}
	var delta uint32
	for _, n := range base.Nodes() {
		delta = max(delta, n.phandle())
	}
	if err := o.renumber(delta); err != nil {
		return err
	}
	if err := base.resolve(o); err != nil {
		return err
	}
	paths := map[string]string{} // of the targets of fragments
	for _, f := range o.Root.Children {
		content := f.Child(overlayNode)
		if content == nil {
			continue
		}
		path, target, err := base.target(f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		paths[f.Name] = path
		target.merge(content)
	}
	if symbols := o.Root.Child(symbolsNode); symbols != nil {
		base.addSymbols(symbols, paths)
	}
	t.Root = base.Root
	return nil
}

// renumber adds a number to the phandles of an overlay and to the references to them, so that they differ from the base's.
func (t *Tree) renumber(delta uint32) error {
	for path, n := range t.Nodes() {
		for _, p := range n.Properties {
			if p.Name != "phandle" && p.Name != "linux,phandle" || len(p.Value) != 4 {
				continue
			}
			old := binary.BigEndian.Uint32(p.Value)
			if old > math.MaxUint32-1-delta {
				return fmt.Errorf("%s: phandle %#x is too large", path, old)
			}
			binary.BigEndian.PutUint32(p.Value, old+delta)
		}
	}
	if fixups := t.Root.Child(localFixupsNode); fixups != nil {
		return t.Root.renumberReferences(fixups, delta)
	}
	return nil
}

// renumberReferences follows a node of __local_fixups__, whose properties list the offsets of references.
func (n *Node) renumberReferences(fixups *Node, delta uint32) error {
	for _, p := range fixups.Properties {
		value, ok := n.Get(p.Name)
		if !ok || len(p.Value)%4 != 0 {
			return fmt.Errorf("local fixup of %s/%s names no property", n.Name, p.Name)
		}
		for offsets := p.Value; len(offsets) > 0; offsets = offsets[4:] {
			at := int64(binary.BigEndian.Uint32(offsets))
			if at+4 > int64(len(value)) {
				return fmt.Errorf("local fixup of %s/%s is outside its value", n.Name, p.Name)
			}
			binary.BigEndian.PutUint32(value[at:], binary.BigEndian.Uint32(value[at:])+delta)
		}
	}
	for _, child := range fixups.Children {
		same := n.Child(child.Name)
		if same == nil {
			return fmt.Errorf("local fixup names the node %s, which is not there", child.Name)
		}
		if err := same.renumberReferences(child, delta); err != nil {
			return err
		}
	}
	return nil
}

// resolve writes the phandles of the base's labels into an overlay.
func (t *Tree) resolve(overlay *Tree) error {
	fixups := overlay.Root.Child(fixupsNode)
	if fixups == nil {
		return nil
	}
	symbols := t.Root.Child(symbolsNode)
	if symbols == nil && len(fixups.Properties) > 0 {
		return errors.New("the base tree has no __symbols__")
	}
	for _, label := range fixups.Properties {
		path := symbols.Text(label.Name)
		if path == "" {
			return fmt.Errorf("the base tree has no label %s", label.Name)
		}
		n := t.Lookup(path)
		if n == nil || n.phandle() == 0 {
			return fmt.Errorf("label %s leads to no node with a phandle", label.Name)
		}
		for place := range strings.SplitSeq(strings.TrimRight(string(label.Value), "\x00"), "\x00") {
			if err := overlay.patch(place, n.phandle()); err != nil {
				return err
			}
		}
	}
	return nil
}

// patch writes a phandle at a place such as /fragment@0:target:0.
func (t *Tree) patch(place string, phandle uint32) error {
	part := strings.Split(place, ":")
	if len(part) != 3 {
		return fmt.Errorf("fixup %q of the overlay is not PATH:PROPERTY:OFFSET", place)
	}
	n := t.Lookup(part[0])
	if n == nil {
		return fmt.Errorf("fixup %s: node is not in the overlay", place)
	}
	value, _ := n.Get(part[1])
	at, err := strconv.ParseUint(part[2], 10, 31)
	if err != nil || at+4 > uint64(len(value)) {
		return fmt.Errorf("fixup %s of the overlay is outside its value", place)
	}
	binary.BigEndian.PutUint32(value[at:], phandle)
	return nil
}

// target returns the node of the base that a fragment changes, and its path.
func (t *Tree) target(fragment *Node) (string, *Node, error) {
	if value, ok := fragment.Get("target"); ok {
		if len(value) != 4 {
			return "", nil, errors.New("target is not one phandle")
		}
		phandle := binary.BigEndian.Uint32(value)
		path, n := t.byPhandle(phandle)
		if n == nil {
			return "", nil, fmt.Errorf("target %#x is not in the base tree", phandle)
		}
		return path, n, nil
	}
	path := fragment.Text("target-path")
	n := t.Lookup(path)
	if path == "" || n == nil {
		return "", nil, fmt.Errorf("target-path %q is not in the base tree", path)
	}
	for at, same := range t.Nodes() {
		if same == n {
			path = at
		}
	}
	return path, n, nil
}

// merge sets the properties of another node and its children.
func (n *Node) merge(other *Node) {
	for _, p := range other.Properties {
		n.Set(p.Name, bytes.Clone(p.Value))
	}
	for _, c := range other.Children {
		same := n.Child(c.Name)
		if same == nil {
			same = &Node{Name: c.Name}
			n.Children = append(n.Children, same)
		}
		same.merge(c)
	}
}

// addSymbols adds the labels of an overlay to those of the base, with the paths that the nodes have there.
func (t *Tree) addSymbols(symbols *Node, targets map[string]string) {
	own := t.Root.Child(symbolsNode)
	if own == nil {
		own = &Node{Name: symbolsNode}
		t.Root.Children = append(t.Root.Children, own)
	}
	for _, p := range symbols.Properties {
		path := symbols.Text(p.Name)
		fragment, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		target, known := targets[fragment]
		rest, inside := strings.CutPrefix("/"+rest, "/"+overlayNode)
		if !known || !inside || rest != "" && rest[0] != '/' {
			continue // the node does not get into the base
		}
		own.Set(p.Name, append([]byte(strings.TrimSuffix(target, "/")+rest), 0))
	}
}
