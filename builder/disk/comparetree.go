package disk

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// compareTrees returns the first difference between two trees in the order of the paths, with a path relative to their
// root, or nil. In plain trees, such as those of FAT, only types and contents are compared.
func compareTrees(ctx context.Context, a, b *tree.Tree, plain bool) (*Difference, error) {
	c := treeComparison{ctx: ctx, plain: plain, names: [2]map[*tree.Node]string{{}, {}}}
	return c.nodes("", a.Root, b.Root)
}

type treeComparison struct {
	ctx   context.Context
	plain bool
	names [2]map[*tree.Node]string // the first name of each node
}

func (c *treeComparison) nodes(name string, a, b *tree.Node) (*Difference, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	if d := c.metadata(name, a, b); d != nil {
		return d, nil
	}
	if a.Type == tree.Regular {
		at, x, y, err := compareReaders(c.ctx, a.Content.Reader(), b.Content.Reader())
		if err != nil || at < 0 {
			return nil, err
		}
		return &Difference{Path: name, Field: "content", Offset: at, First: x, Second: y}, nil
	}
	return c.children(name, a, b)
}

// metadata compares two nodes without their contents and children.
func (c *treeComparison) metadata(name string, a, b *tree.Node) *Difference {
	x, y := c.fields(0, name, a), c.fields(1, name, b)
	for i := range x {
		if x[i] != y[i] {
			return &Difference{Path: name, Field: x[i].name, Offset: -1, First: x[i].value, Second: y[i].value}
		}
	}
	if c.plain {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(merge(a.Xattrs, b.Xattrs))) {
		x, y := value(a.Xattrs, key), value(b.Xattrs, key)
		if x != y {
			return &Difference{Path: name, Field: "xattr " + key, Offset: -1, First: x, Second: y}
		}
	}
	return nil
}

type metadataField struct{ name, value string }

func (c *treeComparison) fields(side int, name string, n *tree.Node) []metadataField {
	if c.plain {
		return []metadataField{{"type", n.Type.String()}}
	}
	first, known := c.names[side][n]
	if !known {
		first = name
		c.names[side][n] = name
	}
	return []metadataField{
		{"type", n.Type.String()},
		{"mode", fmt.Sprintf("%04o", n.Mode)},
		{"owner", fmt.Sprintf("%d:%d", n.UID, n.GID)},
		{"mtime", n.ModTime.UTC().Format(time.RFC3339Nano)},
		{"target", n.Target},
		{"device", fmt.Sprintf("%d:%d", n.Major, n.Minor)},
		{"hard link", "/" + first},
	}
}

func merge(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	if all == nil {
		return b
	}
	maps.Copy(all, b)
	return all
}

func value(xattrs map[string]string, key string) string {
	if v, ok := xattrs[key]; ok {
		return fmt.Sprintf("%q", v)
	}
	return "none"
}

// children returns the first difference between the entries of two directories; nil if there is none.
func (c *treeComparison) children(name string, a, b *tree.Node) (*Difference, error) {
	below := map[string][2]*tree.Node{}
	for base, n := range a.Children() {
		below[base] = [2]*tree.Node{n, nil}
	}
	for base, n := range b.Children() {
		below[base] = [2]*tree.Node{below[base][0], n}
	}
	for _, base := range slices.Sorted(maps.Keys(below)) {
		at, both := strings.TrimPrefix(path.Join(name, base), "/"), below[base]
		if both[0] == nil || both[1] == nil {
			return &Difference{Path: at, Field: "existence", Offset: -1, First: kind(both[0]), Second: kind(both[1])}, nil
		}
		if d, err := c.nodes(at, both[0], both[1]); d != nil || err != nil {
			return d, err
		}
	}
	return nil, nil
}

func kind(n *tree.Node) string {
	if n == nil {
		return "none"
	}
	return n.Type.String()
}
