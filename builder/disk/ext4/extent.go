package ext4

import "encoding/binary"

const (
	extentMagic     = 0xf30a
	extentEntrySize = 12
	extentsInInode  = 4
	extentsInBlock  = (blockSize - extentEntrySize - 4) / extentEntrySize
	maxExtent       = 32768 // blocks; longer ones would be read as unwritten
)

// span is a part of a file, in blocks.
type span struct {
	start, length uint32
}

// extent is where a part of a file lies.
type extent struct {
	logical, length uint32
	start           uint64
}

// allocate appends the extents that a span gets.
func (s span) allocate(to []extent, a *allocator) []extent {
	for s.length > 0 {
		r := a.take(uint64(min(s.length, maxExtent)))
		e := extent{s.start, uint32(r.end - r.start), r.start}
		to = append(to, e)
		s.start, s.length = s.start+e.length, s.length-e.length
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

// treeBlocks is the number of blocks that so many extents need outside of their inode.
func treeBlocks(extents int) int {
	blocks := 0
	for n := extents; n > extentsInInode; {
		n = ceil(n, extentsInBlock)
		blocks += n
	}
	return blocks
}

// extentTree is the tree of an inode's extents: first the root, which lies in the inode, then its blocks in the order
// of inode.tree.
func (p *plan) extentTree(number uint32) [][]byte {
	in := &p.inodes[number]
	nodes := [][]byte{nil}
	level := encodeExtents(in.extents)
	depth := uint16(0)
	for len(level) > extentsInInode {
		var above [][]byte
		for len(level) > 0 {
			n := min(len(level), extentsInBlock)
			at := in.tree[len(nodes)-1]
			nodes = append(nodes, p.extentBlock(level[:n], depth, number))
			above = append(above, extentIndex(binary.LittleEndian.Uint32(level[0]), at))
			level = level[n:]
		}
		level = above
		depth++
	}
	nodes[0] = extentNode(level, extentsInInode, depth)
	return nodes
}

func encodeExtents(extents []extent) [][]byte {
	entries := make([][]byte, len(extents))
	for i, e := range extents {
		entries[i] = encode(make([]byte, 0, extentEntrySize),
			&diskExtent{e.logical, uint16(e.length), uint16(e.start >> 32), lo32(e.start)})
	}
	return entries
}

func extentIndex(logical uint32, block uint64) []byte {
	return encode(nil, &diskExtentIndex{Block: logical, LeafLo: lo32(block), LeafHi: uint16(block >> 32)})
}

func extentNode(entries [][]byte, most, depth uint16) []byte {
	b := encode(nil, &extentHeader{Magic: extentMagic, Entries: uint16(len(entries)), Max: most, Depth: depth})
	for _, e := range entries {
		b = append(b, e...)
	}
	return b
}

// extentBlock is a node in a block of its own, which ends with a checksum.
func (p *plan) extentBlock(entries [][]byte, depth uint16, number uint32) []byte {
	b := make([]byte, blockSize)
	copy(b, extentNode(entries, extentsInBlock, depth))
	tail := extentEntrySize * (1 + extentsInBlock)
	binary.LittleEndian.PutUint32(b[tail:], crc32c(inodeSeed(p.seed, number), b[:tail]))
	return b
}
