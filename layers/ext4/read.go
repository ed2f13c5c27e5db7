package ext4

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Read reads the file system that begins at an offset of an image and has at most size bytes. Contents stay in the
// image, which must stay open as long as the tree is used; an *os.File lets writers copy inside the kernel. Read fails
// on file systems that need recovery, use an unsupported feature or contradict themselves.
func Read(ctx context.Context, image io.ReaderAt, offset, size int64) (*tree.Tree, error) {
	v, err := openVolume(image, offset, size)
	if err != nil {
		return nil, err
	}
	r := treeReader{ctx: ctx, volume: v, tree: tree.New(), nodes: map[uint32]*tree.Node{}}
	return r.tree, r.entry("", rootInode)
}

// treeReader puts the entries of a volume into a tree.
type treeReader struct {
	*volume
	ctx   context.Context
	tree  *tree.Tree
	nodes map[uint32]*tree.Node // by inode; hard links share one
}

// entry adds the inode of a path, with everything below it.
func (r *treeReader) entry(name string, number uint32) error {
	if n := r.nodes[number]; n != nil {
		if n.Type == tree.Directory {
			return fmt.Errorf("/%s: directory has two names, as if hard-linked", name)
		}
		return r.tree.Put(name, n)
	}
	in, err := r.inode(number)
	if err != nil {
		return fmt.Errorf("/%s: %w", name, err)
	}
	n, err := in.node()
	if err != nil {
		return fmt.Errorf("/%s: inode %d: %w", name, number, err)
	}
	r.nodes[number] = n
	if err := r.tree.Put(name, n); err != nil || n.Type != tree.Directory {
		return err
	}
	return r.directory(name, in)
}

func (r *treeReader) directory(name string, in *volumeInode) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	entries, err := in.entries()
	if err != nil {
		return fmt.Errorf("/%s: inode %d: %w", name, in.number, err)
	}
	for _, e := range entries {
		if err := r.entry(path.Join(name, e.name), e.inode); err != nil {
			return err
		}
	}
	return nil
}

// volume is a file system that is read. Its methods return an error instead of reading outside of it.
type volume struct {
	superblock
	image  io.ReaderAt
	offset int64 // in the image
	unread int64 // bytes of metadata that can still belong to an inode, see claim
	values map[uint32]string
}

const (
	maxLogBlockSize   = 6
	minInodeSize      = 128
	maxBlock          = 1024 << maxLogBlockSize
	minDescriptorSize = 32
)

func openVolume(image io.ReaderAt, offset, size int64) (*volume, error) {
	sb, err := readSuperblock(image, offset)
	if err != nil {
		return nil, err
	}
	if err := sb.checkReadable(); err != nil {
		return nil, err
	}
	v := &volume{superblock: *sb, image: image, offset: offset, values: map[uint32]string{}}
	if v.FeatureIncompat&incompat64Bit == 0 {
		v.DescSize = minDescriptorSize
	}
	bits := 8 * uint32(v.blockSize()) // of a bitmap block
	switch {
	case v.blocks() > uint64(size/v.blockSize()):
		return nil, fmt.Errorf("ext4 file system of %d blocks of %d bytes is larger than its partition of %d bytes",
			v.blocks(), v.blockSize(), size)
	case v.InodesPerGroup == 0 || v.InodesPerGroup > bits || int64(v.InodeSize) < minInodeSize ||
		int64(v.InodeSize) > v.blockSize() || v.DescSize < minDescriptorSize || int64(v.DescSize) > v.blockSize():
		return nil, fmt.Errorf("ext4 superblock is damaged: %d inodes of %d bytes per group, descriptors of %d bytes",
			v.InodesPerGroup, v.InodeSize, v.DescSize)
	}
	v.unread = int64(v.blocks()) * v.blockSize()
	return v, nil
}

// claim accounts for metadata of an inode that is kept in memory. Since no block belongs to two inodes, all of it
// together is smaller than the file system; a damaged one that refers to the same blocks many times over gets an error.
func (v *volume) claim(bytes int64) error {
	if v.unread -= bytes; v.unread < 0 {
		return errors.New("ext4 file system is damaged: several inodes use the same metadata blocks")
	}
	return nil
}

// read fills b from a byte offset in a block.
func (v *volume) read(b []byte, block uint64, offset int64) error {
	last := block + uint64(offset+int64(len(b))-1)/uint64(v.blockSize())
	if block >= v.blocks() || last >= v.blocks() {
		return fmt.Errorf("block number %d is beyond the %d blocks of the file system", max(block, last), v.blocks())
	}
	if _, err := v.image.ReadAt(b, v.position(block)+offset); err != nil {
		return fmt.Errorf("read block %d: %w", block, err)
	}
	return nil
}

// position is the place of a block in the image, in bytes.
func (v *volume) position(block uint64) int64 { return v.offset + int64(block)*v.blockSize() }

// block reads a whole block.
func (v *volume) block(number uint64) ([]byte, error) {
	b := make([]byte, v.blockSize())
	return b, v.read(b, number, 0)
}

// inodeTable returns the first block of a group's inodes.
func (v *volume) inodeTable(group uint32) (uint64, error) {
	b := make([]byte, max(v.DescSize, descriptorSize))
	err := v.read(b[:v.DescSize], uint64(v.FirstDataBlock)+1, int64(group)*int64(v.DescSize))
	if err != nil {
		return 0, fmt.Errorf("descriptor of block group %d: %w", group, err)
	}
	d := decode[groupDescriptor](b)
	return join(d.InodeTableLo, d.InodeTableHi), nil
}
