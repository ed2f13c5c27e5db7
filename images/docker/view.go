package docker

import (
	"maps"
	"path"
	"slices"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// view returns the files that a container sees: the layers merged as overlayfs does.
func (t *storeWriter) view(top *chainLayer) *tree.Tree {
	var stack []*tree.Node
	for l := top; l != nil; l = l.parent {
		stack = append(stack, l.diff)
	}
	out := tree.New()
	t.merge(out, "", stack)
	return out
}

// merge puts directories of the same name, the uppermost first, into a tree as one.
func (t *storeWriter) merge(out *tree.Tree, name string, stack []*tree.Node) {
	t.errs = appendError(t.errs, out.Put(name, attributes(stack[0])))
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
			t.merge(out, at, mergeable(found))
		default:
			t.errs = appendError(t.errs, out.Put(at, found[0]))
		}
	}
}

// entries returns the names in directories, sorted.
func entries(stack []*tree.Node) []string {
	found := map[string]bool{}
	for _, dir := range stack {
		for name := range dir.Children() {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// mergeable returns the entries of one name that overlayfs merges: the directories above anything else.
func mergeable(found []*tree.Node) []*tree.Node {
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

// attributes returns a directory with the attributes of an entry, without those of overlayfs.
func attributes(n *tree.Node) *tree.Node {
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
