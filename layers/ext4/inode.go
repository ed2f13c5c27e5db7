package ext4

import (
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// inode is an inode that will be written. One without a node is not in use.
type inode struct {
	node      *tree.Node
	links     uint32
	size      int64
	data      []span // where a sparse file has data; nil: everywhere
	dir       *directory
	attrs     *attributes
	valueHash *uint32 // set on an inode that holds the value of an extended attribute

	extents []extent
	tree    []uint64 // blocks of extents that do not fit into the inode
}

var fileTypes = [...]uint8{
	tree.Regular: 1, tree.Directory: 2, tree.Char: 3, tree.Block: 4, tree.Fifo: 5, tree.Socket: 6,
	tree.Symlink: 7,
}

// newInode sets what a node determines by itself.
func newInode(n *tree.Node, d dataFinder) (inode, error) {
	in := inode{node: n, links: 1}
	var err error
	if in.attrs, err = newAttributes(n.Xattrs); err != nil {
		return in, err
	}
	switch n.Type {
	case tree.Regular:
		in.size = n.Content.Size
		in.data, err = d.find(n.Content)
	case tree.Symlink:
		in.size = int64(len(n.Target))
	}
	return in, err
}

// allocate assigns the inode's blocks: content, extent tree, extended attributes.
func (in *inode) allocate(a *allocator) {
	in.extents = in.extents[:0]
	for _, s := range in.spans() {
		in.extents = s.allocate(in.extents, a)
	}
	in.tree = in.tree[:0]
	for range treeBlocks(len(in.extents)) {
		in.tree = append(in.tree, a.one())
	}
	if in.attrs != nil && len(in.attrs.block) > 0 {
		in.attrs.at = a.one()
	}
}

// spans returns the parts of the content that get blocks.
func (in *inode) spans() []span {
	switch {
	case in.data != nil:
		return in.data
	case in.size == 0 || in.isFastSymlink():
		return nil
	}
	return []span{{0, uint32(ceil(in.size, blockSize))}}
}

// isFastSymlink reports whether the target lies in the inode.
func (in *inode) isFastSymlink() bool {
	return in.node.Type == tree.Symlink && in.size < int64(len(diskInode{}.Block))
}

func (in *inode) isDevice() bool { return in.node.Type == tree.Char || in.node.Type == tree.Block }

func (in *inode) hasExtents() bool {
	switch in.node.Type {
	case tree.Regular, tree.Directory:
		return true
	}
	return in.node.Type == tree.Symlink && !in.isFastSymlink()
}
