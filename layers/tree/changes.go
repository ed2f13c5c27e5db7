package tree

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// WriteChanges writes the difference from the tree below as an OCI image layer: new and changed entries with their parent
// directories, and an empty file with the prefix .wh. for each deleted one. It returns the number of entries. A file is
// unchanged only if both trees share its Node, as a tree and its Clone do. Times after latest are replaced by latest. It
// fails for a name that begins with .wh.
// https://github.com/opencontainers/image-spec/blob/main/layer.md
func (t *Tree) WriteChanges(w io.Writer, below *Tree, latest time.Time) (entries int, err error) {
	c := changeWriter{tar: newTarWriter(w, latest), latest: latest}
	if err := c.directory("", below.Root, t.Root); err != nil {
		return 0, err
	}
	return c.entries, c.tar.Close()
}

// changeWriter writes the difference between trees. A directory is written when something in it is.
type changeWriter struct {
	tar     *tarWriter
	latest  time.Time
	entries int
	way     []step // directories that are not written yet, down to the present one
}

type step struct {
	name string
	node *Node
}

// directory writes how a directory differs from the one below, of which there may be none.
func (c *changeWriter) directory(name string, below, now *Node) error {
	depth := len(c.way)
	if name != "" { // the root is the container's own
		c.way = append(c.way, step{name, now})
		if below == nil || !c.alike(below, now) {
			if err := c.arrive(); err != nil {
				return err
			}
		}
	}
	if below == nil || below.Type != Directory {
		below = &Node{}
	}
	for _, base := range slices.Sorted(maps.Keys(below.children)) {
		if now.children[base] == nil {
			gone := Node{Type: Regular, Mode: 0o644, ModTime: c.latest}
			if err := c.put(path.Join(name, whiteoutPrefix+base), &gone); err != nil {
				return err
			}
		}
	}
	for base, n := range now.Children() {
		if err := c.change(path.Join(name, base), below.children[base], n); err != nil {
			return err
		}
	}
	c.way = c.way[:min(depth, len(c.way))]
	return nil
}

// change writes an entry unless it is the same as before.
func (c *changeWriter) change(name string, below, now *Node) error {
	switch {
	case strings.HasPrefix(path.Base(name), whiteoutPrefix):
		return fmt.Errorf("/%s: in a container a name that starts with %s stands for a file that is deleted", name, whiteoutPrefix)
	case now.Type == Directory:
		return c.directory(name, below, now)
	case now == below:
		return nil
	}
	return c.put(name, now)
}

// put writes an entry, and the directories on the way to it that are not written yet.
func (c *changeWriter) put(name string, n *Node) error {
	if err := c.arrive(); err != nil {
		return err
	}
	return c.write(name, n)
}

func (c *changeWriter) arrive() error {
	for _, s := range c.way {
		if err := c.write(s.name, c.dated(s.node)); err != nil {
			return err
		}
	}
	c.way = nil
	return nil
}

func (c *changeWriter) write(name string, n *Node) error {
	c.entries++
	if err := c.tar.entry(name, n); err != nil {
		return fmt.Errorf("write layer entry /%s: %w", name, err)
	}
	return nil
}

// dated gives a directory that only exists because something lies in it a time that does not depend on anything.
func (c *changeWriter) dated(n *Node) *Node {
	if !n.implied {
		return n
	}
	return &Node{Mode: n.Mode, ModTime: c.latest}
}

// alike tells whether two directories differ in nothing but what lies in them.
func (c *changeWriter) alike(a, b *Node) bool {
	a, b = c.dated(a), c.dated(b)
	return a.Type == b.Type && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && maps.Equal(a.Xattrs, b.Xattrs) &&
		a.flags() == b.flags() &&
		a.ModTime.Equal(b.ModTime)
}
