package docker

import (
	"maps"
	"path"
	"slices"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// view is what a container sees of layers: their files as an overlay merges them.
func (t *storeWriter) view(top *chained) *tree.Tree {
	var stack []*tree.Node
	for l := top; l != nil; l = l.parent {
		stack = append(stack, l.diff)
	}
	out := tree.New()
	t.merge(out, "", stack)
	return out
}

// merge puts directories of the same name, the nearest first, into a tree as one.
func (t *storeWriter) merge(out *tree.Tree, name string, stack []*tree.Node) {
	t.errs = appendError(t.errs, out.Put(name, bare(stack[0])))
	for _, base := range entries(stack) {
		var found []*tree.Node
		for _, dir := range stack {
			if n := child(dir, base); n != nil {
				found = append(found, n)
			}
		}
		switch at := path.Join(name, base); {
		case found[0].IsWhiteout():
		case found[0].Type == tree.Directory:
			t.merge(out, at, merging(found))
		default:
			t.errs = appendError(t.errs, out.Put(at, found[0]))
		}
	}
}

// entries are the names in directories, sorted.
func entries(stack []*tree.Node) []string {
	found := map[string]bool{}
	for _, dir := range stack {
		for name := range dir.Children() {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// merging are those of the entries of one name that an overlay merges: the directories before anything else.
func merging(found []*tree.Node) []*tree.Node {
	for i, n := range found {
		if n.Type != tree.Directory {
			return found[:i]
		}
		if n.Xattrs[opaque] == "y" {
			return found[:i+1]
		}
	}
	return found
}

func child(dir *tree.Node, name string) *tree.Node { return (&tree.Tree{Root: dir}).Get(name) }

// bare is what is known of an entry besides its content, without an overlay's marks.
func bare(n *tree.Node) *tree.Node {
	xattrs := maps.Clone(n.Xattrs)
	delete(xattrs, opaque)
	return &tree.Node{Mode: n.Mode, UID: n.UID, GID: n.GID, ModTime: n.ModTime, Xattrs: xattrs}
}

func appendError(errs []error, err error) []error {
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}
