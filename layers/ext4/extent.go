package ext4

import "slices"

const (
	extentMagic     = 0xf30a
	extentEntrySize = 12
	extentsInInode  = 4
	extentsInBlock  = (blockSize - extentEntrySize - 4) / extentEntrySize
	maxExtent       = 32768 // blocks; a longer one is unwritten and this much shorter
	maxExtentDepth  = 5     // levels of an extent tree, the root included
)

// span is a part of a file, in blocks.
type span struct {
	start, length uint32
}

// extent is a part of a file and the block it starts at.
type extent struct {
	logical, length uint32
	start           uint64
}

// logicalEnd is the first block of the file behind the extent.
func (e extent) logicalEnd() uint64 { return uint64(e.logical) + uint64(e.length) }

// allocate appends the extents that a span gets.
func (s span) allocate(to []extent, a *allocator) []extent {
	for done := uint32(0); done < s.length; {
		r := a.take(uint64(min(s.length-done, maxExtent)))
		e := extent{s.start + done, uint32(r.end - r.start), r.start}
		to = append(to, e)
		done += e.length
	}
	return to
}

// extentHeader is struct ext4_extent_header.
// https://docs.kernel.org/filesystems/ext4/ifork.html#extent-tree
type extentHeader struct {
	Magic, Entries, Max, Depth uint16
	Generation                 uint32
}

// diskExtent is struct ext4_extent.
type diskExtent struct {
	Block   uint32
	Len     uint16
	StartHi uint16
	StartLo uint32
}

// diskExtentIndex is struct ext4_extent_idx.
type diskExtentIndex struct {
	Block  uint32
	LeafLo uint32
	LeafHi uint16
	_      uint16
}

// treeBlocks returns the number of blocks that a number of extents needs outside of their inode.
func treeBlocks(extents int) int {
	blocks := 0
	for n := extents; n > extentsInInode; {
		n = ceil(n, extentsInBlock)
		blocks += n
	}
	return blocks
}

// extentTree encodes the extent tree of an inode: the root, which lies in the inode, then the blocks of inode.tree.
func (p *plan) extentTree(number uint32) [][]byte {
	in := p.inodes[number]
	nodes := [][]byte{nil}
	level := encodeExtents(in.extents)
	depth := uint16(0)
	for len(level) > extentsInInode*extentEntrySize {
		var above []byte
		for part := range slices.Chunk(level, extentsInBlock*extentEntrySize) {
			at := in.tree[len(nodes)-1]
			nodes = append(nodes, p.extentBlock(part, depth, number))
			above = encode(above, &diskExtentIndex{Block: le.Uint32(part), LeafLo: lo32(at), LeafHi: uint16(at >> 32)})
		}
		level = above
		depth++
	}
	nodes[0] = extentNode(level, extentsInInode, depth)
	return nodes
}

func encodeExtents(extents []extent) []byte {
	b := make([]byte, 0, len(extents)*extentEntrySize)
	for _, e := range extents {
		b = encode(b, &diskExtent{e.logical, uint16(e.length), uint16(e.start >> 32), lo32(e.start)})
	}
	return b
}

func extentNode(entries []byte, most, depth uint16) []byte {
	header := extentHeader{
		Magic: extentMagic, Entries: uint16(len(entries) / extentEntrySize), Max: most, Depth: depth}
	return append(encode(nil, &header), entries...)
}

// extentBlock encodes a node outside of the inode, which ends with a checksum.
func (p *plan) extentBlock(entries []byte, depth uint16, number uint32) []byte {
	b := make([]byte, blockSize)
	copy(b, extentNode(entries, extentsInBlock, depth))
	tail := extentEntrySize * (1 + extentsInBlock)
	le.PutUint32(b[tail:], crc32c(inodeSeed(p.seed, number), b[:tail]))
	return b
}
