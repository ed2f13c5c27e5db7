package download

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// unpacker unpacks a part of the merged content of layers, of which later ones win.
type unpacker struct {
	layers    []layer
	whiteouts bool  // apply those of https://github.com/opencontainers/image-spec/blob/main/layer.md
	written   int64 // bytes
}

// maxMembers is the largest number of entries in an archive.
const maxMembers = 500_000

// node is a file in the merged content. Its content is that of a member of a layer.
type node struct {
	mode     fs.FileMode
	link     string
	layer    int
	number   int              // of the member, from 0
	children map[string]*node // of a directory
}

// unpack writes what lies at or below a path to a directory.
func (u *unpacker) unpack(source, dir string) error {
	top := &node{mode: fs.ModeDir | 0o755, children: map[string]*node{}}
	for i, l := range u.layers {
		if err := u.index(top, i, l); err != nil {
			return err
		}
	}
	found := top.find(source)
	if found == nil {
		return fmt.Errorf("source %s is not in the archive", source)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	wanted := map[contentKey][]placed{}
	err = u.place(root, found, source, wanted)
	for i, l := range u.layers {
		if err == nil {
			err = u.write(root, i, l, wanted)
		}
	}
	return errors.Join(err, root.Close())
}

// contentKey identifies a member, and placed is a file to write its content to.
type contentKey struct{ layer, number int }

type placed struct {
	name string
	mode fs.FileMode
}

// maxName is the length of the longest path of Linux.
const maxName = 4096

// clean returns the path of a member, "." for the top. It fails if the name leads out of the archive's directory.
func clean(name string, slash bool) (string, error) {
	if len(name) > maxName {
		return "", fmt.Errorf("archive entry %.20q… has a name of %d bytes, which is too long", name, len(name))
	}
	trimmed := name
	if slash {
		trimmed = strings.TrimLeft(name, "/")
	}
	cleaned := path.Clean(strings.TrimSuffix(trimmed, "/"))
	if path.IsAbs(trimmed) || cleaned == ".." || strings.HasPrefix(cleaned, "../") || strings.Contains("/"+trimmed+"/", "/../") ||
		strings.ContainsRune(trimmed, 0) {
		return "", fmt.Errorf("archive entry %q leads out of the archive's directory", name)
	}
	return cleaned, nil
}

// index adds the members of a layer to the tree. It applies all whiteouts first, since they may be anywhere in the layer and
// concern lower ones only.
func (u *unpacker) index(top *node, at int, l layer) error {
	if u.whiteouts {
		err := u.members(l, func(name string, _ member, _ int) error {
			if isWhiteout(name) {
				top.whiteout(name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return u.members(l, func(name string, m member, number int) error {
		if u.whiteouts && isWhiteout(name) {
			return nil
		}
		n := &node{mode: m.mode, link: m.link, layer: at, number: number}
		if m.hard != "" {
			var err error
			if n, err = u.hardlink(top, m); err != nil {
				return err
			}
		}
		return top.put(name, n, at)
	})
}

// members visits the members of a layer with their paths and numbers.
func (u *unpacker) members(l layer, visit func(name string, m member, number int) error) error {
	number := -1
	return l.each(func(m member, _ io.Reader) error {
		number++
		if number == maxMembers {
			return fmt.Errorf("archive has more than the allowed %d entries", maxMembers)
		}
		name, err := clean(m.name, u.whiteouts)
		if err != nil || name == "." {
			return err
		}
		return visit(name, m, number)
	})
}

const whiteoutPrefix = ".wh."

func isWhiteout(name string) bool { return strings.HasPrefix(path.Base(name), whiteoutPrefix) }

// hardlink returns the node for another name of an earlier file.
func (u *unpacker) hardlink(top *node, m member) (*node, error) {
	name, err := clean(m.hard, u.whiteouts)
	if err != nil {
		return nil, err
	}
	target := top.find(name)
	if target == nil || target.mode.IsDir() {
		return nil, fmt.Errorf("archive entry %q is a hard link to %q, which is not an earlier file", m.name, m.hard)
	}
	linked := *target
	return &linked, nil
}

// find returns the node at a path, or nil.
func (n *node) find(name string) *node {
	if name == "." {
		return n
	}
	for part := range strings.SplitSeq(name, "/") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// put puts a node at a path. A directory that exists keeps its children. A file that is in the way of a directory is
// replaced, unless it is of the same layer: then the archive would write through a symlink.
func (n *node) put(name string, child *node, at int) error {
	parts := strings.Split(name, "/")
	for _, part := range parts[:len(parts)-1] {
		next := n.children[part]
		if next != nil && !next.mode.IsDir() && next.layer == at {
			return fmt.Errorf("archive entry %q is below %q, which is not a directory", name, part)
		}
		if next == nil || !next.mode.IsDir() {
			next = &node{mode: fs.ModeDir | 0o755, layer: at, children: map[string]*node{}}
			n.children[part] = next
		}
		n = next
	}
	last := parts[len(parts)-1]
	if old := n.children[last]; old != nil && old.mode.IsDir() && child.mode.IsDir() {
		old.mode = child.mode
		return nil
	}
	if child.mode.IsDir() {
		child.children = map[string]*node{}
	}
	n.children[last] = child
	return nil
}

// whiteout removes a file, or all children of a directory.
func (n *node) whiteout(name string) {
	dir := n.find(path.Dir(name))
	if dir == nil {
		return
	}
	hidden := strings.TrimPrefix(path.Base(name), whiteoutPrefix)
	if hidden == ".wh..opq" {
		clear(dir.children)
		return
	}
	delete(dir.children, hidden)
}

// place creates the directories and symlinks, and records which contents are wanted.
func (u *unpacker) place(root *os.Root, n *node, name string, wanted map[contentKey][]placed) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch {
	case n.mode.Type() == fs.ModeSymlink:
		return root.Symlink(n.link, name)
	case n.mode.IsRegular():
		key := contentKey{n.layer, n.number}
		wanted[key] = append(wanted[key], placed{name, n.mode.Perm()})
		return nil
	case !n.mode.IsDir():
		return fmt.Errorf("%s is a device, a pipe or a socket: only files, directories and links are unpacked", name)
	}
	if name != "." {
		if err := root.MkdirAll(name, 0o755); err != nil {
			return err
		}
	}
	for child, c := range n.children {
		if err := u.place(root, c, path.Join(name, child), wanted); err != nil {
			return err
		}
	}
	return nil
}

// write writes the wanted contents of a layer.
func (u *unpacker) write(root *os.Root, at int, l layer, wanted map[contentKey][]placed) error {
	number := -1
	return l.each(func(_ member, content io.Reader) error {
		number++
		names := wanted[contentKey{at, number}]
		if len(names) == 0 {
			return nil
		}
		if err := u.file(root, names[0], content); err != nil {
			return err
		}
		for _, other := range names[1:] {
			if err := root.Link(names[0].name, other.name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (u *unpacker) file(root *os.Root, p placed, content io.Reader) error {
	f, err := root.OpenFile(p.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(content, MaxBytes+1-u.written))
	u.written += n
	if u.written > MaxBytes {
		err = fmt.Errorf("archive has more than the allowed %d bytes unpacked", int64(MaxBytes))
	}
	return errors.Join(err, f.Chmod(p.mode|0o400), f.Close())
}
