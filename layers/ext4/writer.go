package ext4

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// section is a part of a group's metadata: contiguous fixed blocks.
type section struct {
	block  uint64 // the first
	blocks uint64 // number of blocks
	group  uint32
	encode func(*plan, uint32) []byte
}

// sections returns all sections that are written, in the order of the disk.
func (p *plan) sections() []section {
	var all []section
	for g := range p.groups {
		flags := p.groupFlags(g)
		if start, _ := p.bounds(g); hasSuper(g) {
			all = append(all, section{start, p.writtenBase(g), g, (*plan).base})
		}
		if flags&groupBlockUninit == 0 {
			all = append(all, section{p.places[g].blockBitmap, 1, g, (*plan).blockBitmap})
		}
		if flags&groupInodeUninit == 0 {
			all = append(all, section{p.places[g].inodeBitmap, 1, g, (*plan).inodeBitmap},
				section{p.places[g].inodeTable, uint64(ceil(p.groupInodes(g), inodesPerBlock)), g, (*plan).inodeTable})
		}
	}
	slices.SortFunc(all, func(a, b section) int { return cmp.Compare(a.block, b.block) })
	return all
}

// writtenBase returns the length of base in blocks.
func (p *plan) writtenBase(group uint32) uint64 {
	if group == 0 {
		return uint64(p.baseBlocks())
	}
	return 1 + uint64(p.gdt)
}

// base encodes the superblock of a group with the descriptors behind it.
func (p *plan) base(group uint32) []byte {
	b := make([]byte, blockSize, p.baseBlocks()*blockSize)
	if group == 0 {
		copy(b[superblockOffset:], p.superblock(group))
	} else {
		copy(b, p.superblock(group))
	}
	b = append(b, p.descriptorTable()...)
	if group == 0 {
		b = append(b, p.reservedDescriptors()...)
	}
	return b
}

// writer writes a plan, front to back.
type writer struct {
	*plan
	out      output
	sections []section // still to be written
}

func (w *writer) run(ctx context.Context, t *tree.Tree) error {
	for number := range w.inodes {
		if err := w.inode(ctx, uint32(number)); err != nil {
			return nameError(err, t, w.inodes[number].node)
		}
	}
	if err := w.sectionsBefore(w.blocks); err != nil {
		return err
	}
	return w.out.flush()
}

// nameError adds the path of a node to an error.
func nameError(err error, t *tree.Tree, n *tree.Node) error {
	for name, other := range t.Walk() {
		if other == n {
			return fmt.Errorf("/%s: %w", name, err)
		}
	}
	return err
}

// sectionsBefore writes the remaining sections that lie before a block.
func (w *writer) sectionsBefore(block uint64) error {
	for len(w.sections) > 0 && w.sections[0].block < block {
		s := w.sections[0]
		w.sections = w.sections[1:]
		if err := w.out.write(s.block, s.encode(w.plan, s.group)); err != nil {
			return err
		}
	}
	return nil
}

// block writes a block and the sections before it.
func (w *writer) block(at uint64, b []byte) error {
	if err := w.sectionsBefore(at); err != nil {
		return err
	}
	return w.out.write(at, b)
}

// inode writes the blocks of an inode, in the order in which they were allocated.
func (w *writer) inode(ctx context.Context, number uint32) error {
	in := w.inodes[number]
	if number == resizeInode && w.reserved > 0 {
		return w.block(w.resize, w.resizePointers())
	}
	if len(in.extents) > 0 {
		content := w.content(number)
		for _, e := range in.extents {
			if err := w.sectionsBefore(e.start); err != nil {
				return err
			}
			if err := w.out.copy(ctx, e.start, content, int64(e.logical)*blockSize, e.length); err != nil {
				return err
			}
		}
	}
	if len(in.tree) > 0 {
		for i, node := range w.extentTree(number)[1:] {
			if err := w.block(in.tree[i], node); err != nil {
				return err
			}
		}
	}
	if in.attrs != nil && len(in.attrs.block) > 0 {
		return w.block(in.attrs.at, in.attrs.encodeBlock(w.plan))
	}
	return nil
}

// content returns what an inode's extents hold.
func (p *plan) content(number uint32) tree.Content {
	in := p.inodes[number]
	switch {
	case number == journalInode:
		return p.journal()
	case number == p.orphanInode:
		return tree.Inline(p.orphanFile())
	case in.dir != nil:
		return tree.Inline(p.directoryBlocks(number))
	case in.node.Type == tree.Symlink:
		return tree.Inline(in.node.Target)
	}
	return in.node.Content
}
