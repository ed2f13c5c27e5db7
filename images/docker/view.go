package docker

import (
	"maps"
	"path"
	"slices"

	"github.com/PlanktoScope/pkbuild/layers"
)

// view is what a container sees of layers: their files as an overlay merges them.
func (t *tree) view(top *chained) *layers.Tree {
	var stack []*layers.Node
	for l := top; l != nil; l = l.parent {
		stack = append(stack, l.diff)
	}
	out := layers.NewTree()
	t.merge(out, "", stack)
	return out
}

// merge puts directories of the same name, the nearest first, into a tree as one.
func (t *tree) merge(out *layers.Tree, name string, stack []*layers.Node) {
	t.errs = appendError(t.errs, out.Put(name, bare(stack[0])))
	for _, base := range entries(stack) {
		var found []*layers.Node
		for _, dir := range stack {
			if n := child(dir, base); n != nil {
				found = append(found, n)
			}
		}
		switch at := path.Join(name, base); {
		case found[0].IsWhiteout():
		case found[0].Type == layers.Directory:
			t.merge(out, at, merging(found))
		default:
			t.errs = appendError(t.errs, out.Put(at, found[0]))
		}
	}
}

// entries are the names in directories, sorted.
func entries(stack []*layers.Node) []string {
	found := map[string]bool{}
	for _, dir := range stack {
		for name := range dir.Children() {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// merging are those of the entries of one name that an overlay merges: the directories before anything else.
func merging(found []*layers.Node) []*layers.Node {
	for i, n := range found {
		if n.Type != layers.Directory {
			return found[:i]
		}
		if n.Xattrs[opaque] == "y" {
			return found[:i+1]
		}
	}
	return found
}

func child(dir *layers.Node, name string) *layers.Node { return (&layers.Tree{Root: dir}).Get(name) }

// bare is what is known of an entry besides its content, without an overlay's marks.
func bare(n *layers.Node) *layers.Node {
	xattrs := maps.Clone(n.Xattrs)
	delete(xattrs, opaque)
	return &layers.Node{Mode: n.Mode, UID: n.UID, GID: n.GID, ModTime: n.ModTime, Xattrs: xattrs}
}

func appendError(errs []error, err error) []error {
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}
