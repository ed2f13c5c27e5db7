// Package ext4 reads an ext4 file system into a tree, without mounting it.
//
// Metadata is read at once, contents stay where they lie in the image. It trusts checksums of the image as a whole more
// than those of its parts, which it does not look at; what would send it astray is an error all the same. It does not
// replay journals, and knows neither the block maps of ext2 and ext3 nor inline data, encryption and case folding.
//
// The format: https://docs.kernel.org/filesystems/ext4.
package ext4

import (
	"context"
	"fmt"
	"io"
	"path"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// rootInode is the inode of the root directory.
const rootInode = 2

// Read reads the file system that begins at an offset of an image and ends within size bytes. The image stays open as
// long as the tree is used; it should be an *os.File, so that contents in one piece are copied inside the kernel.
func Read(ctx context.Context, image io.ReaderAt, offset, size int64) (*tree.Tree, error) {
	fs, err := open(image, offset, size)
	if err != nil {
		return nil, err
	}
	r := reader{ctx: ctx, fs: fs, tree: tree.New(), nodes: map[uint32]*tree.Node{}}
	return r.tree, r.entry("", rootInode)
}

// reader puts a file system's entries in a tree.
type reader struct {
	ctx   context.Context
	fs    *fileSystem
	tree  *tree.Tree
	nodes map[uint32]*tree.Node // by inode: names of a hard link share one
}

// entry adds what has a name, with all that lies below it.
func (r *reader) entry(name string, number uint32) error {
	if n := r.nodes[number]; n != nil {
		if n.Type == tree.Directory {
			return fmt.Errorf("/%s is a directory that has another name, too", name)
		}
		return r.tree.Put(name, n)
	}
	i, err := r.fs.inode(number)
	if err != nil {
		return fmt.Errorf("/%s: %w", name, err)
	}
	n, err := i.node()
	if err != nil {
		return fmt.Errorf("/%s: inode %d: %w", name, number, err)
	}
	r.nodes[number] = n
	if err := r.tree.Put(name, n); err != nil {
		return err
	}
	if n.Type != tree.Directory {
		return nil
	}
	return r.directory(name, i)
}

func (r *reader) directory(name string, i *inode) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	entries, err := i.entries()
	if err != nil {
		return fmt.Errorf("/%s: inode %d: %w", name, i.number, err)
	}
	for _, e := range entries {
		if err := r.entry(path.Join(name, e.name), e.inode); err != nil {
			return err
		}
	}
	return nil
}
