package tree

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Type is the type of an entry in a tree, such as regular file, directory or symlink.
type Type uint8

// The types of entries. The zero value is a directory, so that a new Node can hold children.
const (
	Directory Type = iota
	Regular
	Symlink
	Char
	Block
	Fifo
	Socket
)

var typeNames = [...]string{"directory", "regular file", "symlink", "character device", "block device", "fifo", "socket"}

func (t Type) String() string { return typeNames[t] }

// Content locates the bytes of a regular file: Size bytes at Offset of a reader, which must stay open as long as the
// tree is used. If the reader is an *os.File, the kernel can copy them.
type Content struct {
	io.ReaderAt
	Offset, Size int64
}

// Reader returns a reader of the file's content from its beginning.
func (c Content) Reader() *io.SectionReader {
	if c.Size == 0 {
		return io.NewSectionReader(strings.NewReader(""), 0, 0)
	}
	return io.NewSectionReader(c.ReaderAt, c.Offset, c.Size)
}

// Inline returns data in memory as the content of a file.
func Inline[T string | []byte](data T) Content {
	return Content{ReaderAt: strings.NewReader(string(data)), Size: int64(len(data))}
}

// Node is one inode of a tree: type, metadata, and content or entries. The names of a hard link share one Node.
type Node struct {
	Type     Type
	Mode     uint32 // permission bits with setuid, setgid and sticky: at most 07777
	UID, GID uint32
	ModTime  time.Time
	Xattrs   map[string]string // by full name, such as "security.capability"; values are bytes

	// The file attributes of chattr +i and +a, of a regular file or directory. Extract does not set them, since nobody
	// could then change or remove the file.
	Immutable, AppendOnly bool

	Content      Content // of a regular file
	Target       string  // of a symlink
	Major, Minor uint32  // of a device

	// Sealed is set on a directory whose content is another file system's matter, such as Docker's store: Apply puts it in
	// the place of what lies below as a whole and takes nothing in it for a command, whiteouts and opaque directories
	// included. It is the last that happens to the directory: nothing can be put into it, and no tar written of it.
	Sealed bool

	children map[string]*Node
	implied  bool // a directory that exists only because something lies in it: its metadata yields to any other
}

// IsWhiteout reports whether the node is a whiteout, which deletes the file of that name in the tree below.
func (n *Node) IsWhiteout() bool { return n.Type == Char && n.Major == 0 && n.Minor == 0 }

// Children yields the names and nodes of a directory, in byte order of the names.
func (n *Node) Children() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		for _, name := range slices.Sorted(maps.Keys(n.children)) {
			if !yield(name, n.children[name]) {
				return
			}
		}
	}
}

// Bare returns a copy of the node without its children.
func (n *Node) Bare() Node {
	bare := *n
	bare.children = nil
	return bare
}

// Len returns the number of entries in a directory.
func (n *Node) Len() int { return len(n.children) }

// Tree is a file system in memory: the metadata of every entry, and where the content of each file is. Paths are
// relative to the root and clean, without a leading slash; "." is the root.
type Tree struct {
	Root    *Node
	implied int // number of implied directories that were created
}

// New returns an empty tree.
func New() *Tree { return &Tree{Root: &Node{Mode: 0o755, implied: true}} }

// Clean converts a path as archives and recipes write it, such as "./usr/" or "/usr", to the form of paths in a Tree,
// "usr". It fails for a path that leads out of the root.
func Clean(name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("path %q contains a NUL byte", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("path %q contains \"..\"", name)
		}
		if len(part) > 255 {
			return "", fmt.Errorf("path %q has a name of more than 255 bytes", name)
		}
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// Put adds a node at a path. Missing parents become implied directories, whose metadata yields to any other. A parent that
// is a symlink to a directory of the tree is followed, so that lib/x becomes usr/lib/x; a parent of another type is an
// error. A directory put over a directory keeps the existing entries; put over a symlink to one, it changes nothing. n has
// no entries itself unless it is sealed; a sealed one replaces whatever is there.
func (t *Tree) Put(name string, n *Node) error {
	clean, err := Clean(name)
	if err != nil {
		return err
	}
	if clean == "" {
		if n.Type != Directory {
			return fmt.Errorf("put %s at the root: the root is a directory", n.Type)
		}
		t.Root = adopt(t.Root, n)
		return nil
	}
	dir, base := path.Split(clean)
	parent, err := t.mkdir(dir)
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	old := parent.children[base]
	if old != nil && old.Sealed && !n.Sealed {
		return fmt.Errorf("put %s: directory is sealed", name)
	}
	if old != nil && old.Type == Symlink && n.Type == Directory && !n.Sealed {
		if _, target := t.resolve(clean, 0); target != nil && target.Type == Directory {
			return nil // what the base links to stays; only the children are of interest
		}
	}
	parent.set(base, adopt(old, n))
	return nil
}

// adopt returns n with the children of the directory that it replaces.
func adopt(old, n *Node) *Node {
	if old == nil || old.Type != Directory || n.Type != Directory || n.Sealed {
		return n
	}
	merged := *n
	merged.children = old.children
	return &merged
}

func (n *Node) set(name string, child *Node) {
	if n.children == nil {
		n.children = map[string]*Node{}
	}
	n.children[name] = child
}

// maxPath is the maximum length of a path in bytes: PATH_MAX without the NUL. It bounds the depth of a tree.
const maxPath = 4095

// mkdir returns the directory at a clean path, which it creates if necessary.
func (t *Tree) mkdir(dir string) (*Node, error) {
	at := ""
	n := t.Root
	for part := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		if part == "" {
			break
		}
		at = path.Join(at, part)
		next := n.children[part]
		switch {
		case len(at) > maxPath:
			return nil, fmt.Errorf("path of the directory has more than %d bytes", maxPath)
		case next == nil:
			next = &Node{Mode: 0o755, implied: true}
			t.implied++
			n.set(part, next)
		case next.Type == Symlink:
			resolved, target := t.resolve(at, 0)
			if target == nil || target.Type != Directory {
				return nil, fmt.Errorf("/%s is a symlink to %s, not to a directory of the tree", at, next.Target)
			}
			at, next = resolved, target
		case next.Type != Directory:
			return nil, fmt.Errorf("/%s is a %s, not a directory", at, next.Type)
		}
		if n = next; n.Sealed {
			return nil, fmt.Errorf("/%s is sealed", at)
		}
	}
	return n, nil
}

// Get returns the node at a path, nil if there is none. Symlinks are not followed.
func (t *Tree) Get(name string) *Node {
	n := t.Root
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+name), "/"), "/") {
		if part == "" {
			break
		}
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// Resolve follows all symlinks of a path inside the tree, and returns the real path and its node. It returns "" and nil if
// there is none, or if there are more than 40 symlinks.
func (t *Tree) Resolve(name string) (string, *Node) { return t.resolve(path.Clean("/" + name)[1:], 0) }

// maxLinks is the kernel's limit on symlinks in one path.
const maxLinks = 40

func (t *Tree) resolve(name string, links int) (string, *Node) {
	at := ""
	n := t.Root
	rest := strings.Trim(name, "/")
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		next := n.children[part]
		if next == nil {
			return "", nil
		}
		if next.Type != Symlink {
			at, n = path.Join(at, part), next
			continue
		}
		if links++; links > maxLinks {
			return "", nil
		}
		target := next.Target
		if !strings.HasPrefix(target, "/") {
			target = path.Join("/", at, target)
		}
		return t.resolve(path.Join(target, rest)[1:], links)
	}
	return at, n
}

// Remove removes the entry at a path and everything below it. It does nothing if there is none.
func (t *Tree) Remove(name string) {
	dir, base := path.Split(path.Clean("/" + name))
	if parent := t.Get(dir); parent != nil {
		delete(parent.children, base)
	}
}

// Walk yields every entry with its path, directories before their entries, and names in byte order. The path of the
// root is "".
func (t *Tree) Walk() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) { walk("", t.Root, true, yield) }
}

// walk enters sealed directories only if sealed is set.
func walk(name string, n *Node, sealed bool, yield func(string, *Node) bool) bool {
	if !yield(name, n) {
		return false
	}
	if n.Sealed && !sealed {
		return true
	}
	for base, child := range n.Children() {
		if !walk(path.Join(name, base), child, sealed, yield) {
			return false
		}
	}
	return true
}

// Sub returns the tree below a directory of t, whose nodes it shares; nil if there is no such directory.
func (t *Tree) Sub(name string) *Tree {
	n := t.Get(name)
	if n == nil || n.Type != Directory {
		return nil
	}
	return &Tree{Root: n}
}

// opaque is the attribute by which an overlay's directory hides the one below it.
const opaque = "trusted.overlay.opaque"

// Apply merges upper into t like the upper layer of an overlay: its entries replace those of t, whiteouts delete, and opaque
// directories hide. An implied directory of upper (one that was not put explicitly) leaves the metadata of that in t. Files
// and sealed directories (see Node) are shared with upper. Apply fails where Put does, and t then has a part of the entries.
func (t *Tree) Apply(upper *Tree) (err error) {
	walk("", upper.Root, false, func(name string, n *Node) bool {
		err = t.lay(name, n)
		return err == nil
	})
	return err
}

// lay lays an entry over t, without what lies below it.
func (t *Tree) lay(name string, n *Node) error {
	switch {
	case n.IsWhiteout():
		t.Remove(name)
		return nil
	case n.Type == Directory && !n.Sealed:
		if old := t.Get(name); n.implied && old != nil {
			return nil
		}
		bare := *n
		bare.children = nil
		if bare.Xattrs[opaque] == "y" {
			t.Remove(name)
			bare.Xattrs = maps.Clone(bare.Xattrs)
			delete(bare.Xattrs, opaque)
		}
		n = &bare
	}
	return t.Put(name, n)
}

// Clone returns a copy of the tree: directories are copied, files are shared.
func (t *Tree) Clone() *Tree { return &Tree{Root: t.Root.clone(), implied: t.implied} }

func (n *Node) clone() *Node {
	if n.Type != Directory {
		return n
	}
	c := *n
	c.children = maps.Clone(n.children)
	for name, child := range c.children {
		c.children[name] = child.clone()
	}
	return &c
}

// Cut moves the entries of a directory of t into a new tree, which it returns, with the directory's metadata as its
// root's. The directory stays in t, empty. If there is no such directory, the new tree is empty.
func (t *Tree) Cut(name string) *Tree {
	n := t.Get(name)
	if n == nil || n.Type != Directory {
		return New()
	}
	root := *n
	n.children = nil
	return &Tree{Root: &root}
}

// Dir returns the directory at a path, or a new empty one, which is not in t, if there is none at the path. Symlinks are not
// followed.
func (t *Tree) Dir(name string) *Node {
	if n := t.Get(name); n != nil && n.Type == Directory {
		return n
	}
	return &Node{}
}

// ReadFile returns the content of a regular file of the tree. It follows symlinks, and fails if they do not lead to a
// regular file.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	_, n := t.Resolve(name)
	if n == nil {
		return nil, fmt.Errorf("/%s is not in the tree", name)
	}
	if n.Type != Regular {
		return nil, fmt.Errorf("/%s is a %s, not a regular file", name, n.Type)
	}
	return io.ReadAll(n.Content.Reader())
}
