package ext4

const (
	groupInodeUninit = 0x1 // the inode bitmap was not written: all inodes are free
	groupBlockUninit = 0x2 // the block bitmap was not written: only superblock and descriptors are in use
	groupTableZeroed = 0x4

	descriptorChecksum = 0x1e // offset of the field
)

// groupDescriptor is struct ext4_group_desc.
// https://docs.kernel.org/filesystems/ext4/group_descr.html
type groupDescriptor struct {
	BlockBitmapLo     uint32
	InodeBitmapLo     uint32
	InodeTableLo      uint32
	FreeBlocksLo      uint16
	FreeInodesLo      uint16
	UsedDirsLo        uint16
	Flags             uint16
	ExcludeBitmapLo   uint32
	BlockBitmapCsumLo uint16
	InodeBitmapCsumLo uint16
	ItableUnusedLo    uint16
	Checksum          uint16
	BlockBitmapHi     uint32
	InodeBitmapHi     uint32
	InodeTableHi      uint32
	FreeBlocksHi      uint16
	FreeInodesHi      uint16
	UsedDirsHi        uint16
	ItableUnusedHi    uint16
	ExcludeBitmapHi   uint32
	BlockBitmapCsumHi uint16
	InodeBitmapCsumHi uint16
	_                 uint32
}

// descriptorTable encodes the descriptors of all groups.
func (p *plan) descriptorTable() []byte {
	if p.gdtData == nil {
		b := make([]byte, 0, p.gdt*blockSize)
		for g := range p.groups {
			b = p.descriptor(b, g)
		}
		p.gdtData = b[:cap(b)]
	}
	return p.gdtData
}

func (p *plan) descriptor(b []byte, group uint32) []byte {
	at := p.places[group]
	free, inodes := p.groupFree(group), p.inodesPerGroup-p.groupInodes(group)
	d := groupDescriptor{
		BlockBitmapLo: lo32(at.blockBitmap), BlockBitmapHi: hi32(at.blockBitmap),
		InodeBitmapLo: lo32(at.inodeBitmap), InodeBitmapHi: hi32(at.inodeBitmap),
		InodeTableLo: lo32(at.inodeTable), InodeTableHi: hi32(at.inodeTable),
		FreeBlocksLo: lo16(free), FreeBlocksHi: hi16(free),
		FreeInodesLo: lo16(inodes), FreeInodesHi: hi16(inodes),
		UsedDirsLo: lo16(p.dirs[group]), UsedDirsHi: hi16(p.dirs[group]),
		ItableUnusedLo: lo16(inodes), ItableUnusedHi: hi16(inodes),
		Flags: p.groupFlags(group),
	}
	if d.Flags&groupBlockUninit == 0 {
		sum := crc32c(p.seed, p.blockBitmap(group))
		d.BlockBitmapCsumLo, d.BlockBitmapCsumHi = lo16(sum), hi16(sum)
	}
	if d.Flags&groupInodeUninit == 0 {
		sum := crc32c(p.seed, p.inodeBitmap(group)[:p.inodesPerGroup/8])
		d.InodeBitmapCsumLo, d.InodeBitmapCsumHi = lo16(sum), hi16(sum)
	}
	start := len(b)
	b = encode(b, &d)
	number := le.AppendUint32(nil, group)
	le.PutUint16(b[start+descriptorChecksum:], lo16(crc32c(p.seed, number, b[start:])))
	return b
}

// groupFlags tells the kernel which parts of the group it must initialize.
func (p *plan) groupFlags(group uint32) uint16 {
	flags := uint16(0)
	switch p.groupInodes(group) {
	case 0:
		flags |= groupInodeUninit
	case p.inodesPerGroup:
		flags |= groupTableZeroed
	}
	start, end := p.bounds(group)
	own := uint64(0)
	if hasSuper(group) {
		own = uint64(p.baseBlocks())
	}
	// The last group's bitmap is padded and so always written.
	if group < p.groups-1 && p.next <= start+own && uint64(p.groupFree(group)) == end-start-own {
		flags |= groupBlockUninit
	}
	return flags
}

// groupInodes returns the number of inodes in use, which are the first of the group.
func (p *plan) groupInodes(group uint32) uint32 {
	first := group * p.inodesPerGroup
	if p.lastInode() <= first {
		return 0
	}
	return min(p.lastInode()-first, p.inodesPerGroup)
}

// blockBitmap encodes a bitmap of the blocks in use; those behind the end of the file system count as such.
// https://docs.kernel.org/filesystems/ext4/bitmaps.html
func (p *plan) blockBitmap(group uint32) []byte {
	b := make([]byte, blockSize)
	start, end := p.bounds(group)
	if p.next > start {
		setBits(b, 0, min(p.next, end)-start)
	}
	for _, r := range p.fixedFrom(start) {
		if r.start >= end {
			break
		}
		setBits(b, max(r.start, start)-start, min(r.end, end)-start)
	}
	setBits(b, end-start, blocksPerGroup)
	return b
}

func (p *plan) inodeBitmap(group uint32) []byte {
	b := make([]byte, blockSize)
	setBits(b, 0, uint64(p.groupInodes(group)))
	setBits(b, uint64(p.inodesPerGroup), maxInodes)
	return b
}

func setBits(b []byte, from, to uint64) {
	for i := from; i < to; i++ {
		if i%8 == 0 && to-i >= 8 {
			b[i/8] = 0xff
			i += 7
			continue
		}
		b[i/8] |= 1 << (i % 8)
	}
}

// inodeTable encodes the part of a group's inode table that is in use.
func (p *plan) inodeTable(group uint32) []byte {
	used := p.groupInodes(group)
	b := make([]byte, 0, ceil(used, inodesPerBlock)*blockSize)
	for i := range used {
		b = p.encodeInode(b, group*p.inodesPerGroup+i+1)
	}
	return b[:cap(b)]
}
