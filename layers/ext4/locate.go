package ext4

import (
	"fmt"
	"reflect"

	"github.com/PlanktoScope/pkbuild/internal/ondisk"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Tree returns the tree of files that the file system holds.
func (fs *FileSystem) Tree() *tree.Tree { return fs.tree }

// Locate says to what a byte of the written file system belongs, at an offset from its start: field is a part of a
// structure, such as "block bitmap of group 0", or of a content, such as "content byte 7". path is the file to which the
// byte belongs, "" for none.
func (fs *FileSystem) Locate(offset int64) (path, field string) {
	p, block := fs.plan, uint64(offset/blockSize)
	if block >= p.blocks {
		return "", "space behind the file system"
	}
	for g := range p.groups {
		at := p.places[g]
		switch {
		case block == at.blockBitmap:
			return "", fmt.Sprintf("block bitmap of group %d", g)
		case block == at.inodeBitmap:
			return "", fmt.Sprintf("inode bitmap of group %d", g)
		case block >= at.inodeTable && block < at.inodeTable+uint64(p.tableBlocks()):
			n := uint32((offset - int64(at.inodeTable)*blockSize) / inodeSize)
			return fs.owner(g*p.inodesPerGroup+n+1, "inode field "+inodeField(int(offset%inodeSize)))
		}
		if start, _ := p.bounds(g); hasSuper(g) && block >= start && block < start+uint64(p.baseBlocks()) {
			return "", p.baseField(g, offset-int64(start)*blockSize)
		}
	}
	return fs.locateBlock(block, offset)
}

// locateBlock finds the inode that a block was allocated to.
func (fs *FileSystem) locateBlock(block uint64, offset int64) (path, field string) {
	if block == fs.plan.resize {
		return fs.owner(resizeInode, "block pointers")
	}
	for number, in := range fs.plan.inodes {
		for _, e := range in.extents {
			if block >= e.start && block < e.start+uint64(e.length) {
				at := (int64(e.logical)+int64(block-e.start))*blockSize + offset%blockSize
				return fs.owner(uint32(number), fmt.Sprintf("content byte %d", at))
			}
		}
		for _, b := range in.tree {
			if b == block {
				return fs.owner(uint32(number), "extents")
			}
		}
		if in.attrs != nil && len(in.attrs.block) > 0 && in.attrs.at == block {
			return fs.owner(uint32(number), "extended attributes")
		}
	}
	return "", "free block"
}

// owner returns the path of an inode, or a field that names an inode without one.
func (fs *FileSystem) owner(number uint32, what string) (path, field string) {
	switch number {
	case journalInode:
		return "", "journal: " + what
	case resizeInode:
		return "", "resize inode: " + what
	case fs.plan.orphanInode:
		if number != 0 {
			return "", "orphan file: " + what
		}
	}
	if int(number) < len(fs.plan.inodes) {
		node := fs.plan.inodes[number].node
		for name, n := range fs.tree.Walk() {
			if n == node {
				return "/" + name, what
			}
		}
	}
	return "", fmt.Sprintf("inode %d: %s", number, what)
}

// baseField returns the field at a byte of a superblock and the descriptors behind it.
func (p *plan) baseField(group uint32, at int64) string {
	super := int64(0)
	if group == 0 {
		super = superblockOffset
	}
	switch descriptor := at - blockSize; {
	case at < super || at >= super+superblockSize && at < blockSize:
		return "boot block"
	case at < blockSize:
		return fmt.Sprintf("superblock of group %d, field %s", group, ondisk.FieldAt(reflect.TypeFor[superblock](), int(at-super)))
	case descriptor < int64(p.gdt)*blockSize:
		return fmt.Sprintf("group descriptor %d in group %d, field %s", descriptor/descriptorSize, group,
			ondisk.FieldAt(reflect.TypeFor[groupDescriptor](), int(descriptor%descriptorSize)))
	}
	return fmt.Sprintf("reserved group descriptors in group %d", group)
}

func inodeField(at int) string { return ondisk.FieldAt(reflect.TypeFor[diskInode](), at) }
