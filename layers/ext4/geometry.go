package ext4

const (
	blockSize       = 4096
	blocksPerGroup  = 8 * blockSize // a bitmap is one block
	maxInodes       = 8 * blockSize // of a group, as above
	inodeSize       = 256
	inodesPerBlock  = blockSize / inodeSize
	descriptorSize  = 64
	descriptors     = blockSize / descriptorSize // in a block
	bytesPerInode   = 16384                      // as in mke2fs
	groupsPerFlex   = 1 << logGroupsPerFlex
	minLastGroup    = 50 // usable blocks that a last, partial group must have
	minSpareInodes  = 256
	spareInodeShare = 8 // one spare inode for so many in use
	growthBlocks    = 2 << 40 / blockSize

	logGroupsPerFlex = 4
)

// geometry is the division of a file system into groups.
// https://docs.kernel.org/filesystems/ext4/blockgroup.html
type geometry struct {
	blocks         uint64
	groups         uint32
	inodesPerGroup uint32
	gdt            uint32 // blocks of group descriptors
	reserved       uint32 // blocks behind them for growth
}

// newGeometry divides a number of blocks into groups with at least so many inodes in all, as far as maxInodes allows.
func newGeometry(blocks uint64, inodes uint32) geometry {
	g := geometry{blocks: blocks, groups: uint32(ceil(blocks, blocksPerGroup))}
	inodes = max(inodes, uint32(min(blocks*blockSize/bytesPerInode, 1<<32-1)))
	perGroup := ceil(inodes, g.groups)
	g.inodesPerGroup = min(ceil(perGroup, inodesPerBlock)*inodesPerBlock, maxInodes)
	g.gdt = descriptorBlocks(blocks)
	// An MBR partition ends at 2 TiB, so more growth is never needed.
	if most := descriptorBlocks(growthBlocks); g.gdt < most {
		g.reserved = most - g.gdt
	}
	return g
}

func descriptorBlocks(blocks uint64) uint32 {
	return uint32(ceil(ceil(blocks, blocksPerGroup), descriptors))
}

// usableBlocks returns how many of a number of blocks a file system uses: a last group that holds little more than its
// copy of the superblock is left out.
func usableBlocks(blocks uint64) uint64 {
	last := blocks % blocksPerGroup
	if blocks > blocksPerGroup && last > 0 && last < minLastBlocks(blocks) {
		return blocks - last
	}
	return blocks
}

// growToUsable returns the smallest usable size of at least so many blocks.
func growToUsable(blocks uint64) uint64 {
	if usableBlocks(blocks) == blocks {
		return blocks
	}
	return blocks - blocks%blocksPerGroup + minLastBlocks(blocks)
}

func minLastBlocks(blocks uint64) uint64 {
	g := newGeometry(blocks, 0)
	if hasSuper(g.groups - 1) {
		return uint64(g.baseBlocks()) + minLastGroup
	}
	return minLastGroup
}

func (g *geometry) inodeCount() uint32 { return g.groups * g.inodesPerGroup }

func (g *geometry) tableBlocks() uint32 { return g.inodesPerGroup / inodesPerBlock }

// baseBlocks is the number of blocks of superblock, group descriptors and their reserve, in a group that has them.
func (g *geometry) baseBlocks() uint32 { return 1 + g.gdt + g.reserved }

// bounds returns the first block of a group and the one behind its last.
func (g *geometry) bounds(group uint32) (start, end uint64) {
	start = uint64(group) * blocksPerGroup
	return start, min(start+blocksPerGroup, g.blocks)
}

// hasSuper reports whether a group has a copy of the superblock under sparse_super: 0, 1, and the powers of 3, 5 and 7.
func hasSuper(group uint32) bool {
	if group <= 1 {
		return true
	}
	for _, base := range []uint32{3, 5, 7} {
		n := base
		for n < group && n < 1<<28 {
			n *= base
		}
		if n == group {
			return true
		}
	}
	return false
}
