package fat

import (
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// FS returns an fs.FS of the files of a tree. Names are matched case-insensitively, as on FAT.
func FS(t *tree.Tree) fs.FS { return treeFS{t.Root} }

type treeFS struct{ root *tree.Node }

// Open implements fs.FS.
func (f treeFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	n := f.root
	for part := range strings.SplitSeq(name, "/") {
		if part == "." {
			break
		}
		if n = childOf(n, part); n == nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
	}
	return &openNode{SectionReader: n.Content.Reader(), info: info{n, path.Base(name)}}, nil
}

func childOf(n *tree.Node, name string) *tree.Node {
	for base, c := range n.Children() {
		if strings.EqualFold(base, name) {
			return c
		}
	}
	return nil
}

// openNode is an open file, or an open directory, which reads as an empty file.
type openNode struct {
	*io.SectionReader
	info info
}

// Stat implements fs.File.
func (o *openNode) Stat() (fs.FileInfo, error) { return o.info, nil }

// Close implements fs.File.
func (*openNode) Close() error { return nil }

// ReadDir implements fs.ReadDirFile.
func (o *openNode) ReadDir(int) ([]fs.DirEntry, error) {
	var out []fs.DirEntry
	for base, c := range o.info.node.Children() {
		out = append(out, fs.FileInfoToDirEntry(info{c, base}))
	}
	return out, nil
}

// info implements fs.FileInfo.
type info struct {
	node *tree.Node
	name string
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.node.Content.Size }
func (i info) ModTime() time.Time { return i.node.ModTime }
func (i info) IsDir() bool        { return i.node.Type == tree.Directory }
func (i info) Sys() any           { return i.node }
func (i info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | readMode
	}
	return readMode
}
