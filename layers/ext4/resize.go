package ext4

const (
	doublyIndirect = 13 // its place in i_block
	pointers       = blockSize / 4
	resizeSize     = (12 + pointers + pointers*pointers) * blockSize
)

// The resize inode owns the blocks reserved for group descriptors. Its doubly indirect block points at those behind the
// descriptors of group 0; each of these is an indirect block that points at its copies in the other groups.
// https://docs.kernel.org/filesystems/ext4/special_inodes.html

// resizeBlocks returns the number of blocks that the resize inode owns.
func (p *plan) resizeBlocks() uint64 {
	if p.reserved == 0 {
		return 0
	}
	return 1 + uint64(p.reserved)*uint64(1+len(p.backupGroups()))
}

// backupGroups returns the groups with a copy of the superblock, without group 0.
func (p *plan) backupGroups() []uint32 {
	var groups []uint32
	for g := uint32(1); g < p.groups; g++ {
		if hasSuper(g) {
			groups = append(groups, g)
		}
	}
	return groups
}

// resizePointers encodes the doubly indirect block.
func (p *plan) resizePointers() []byte {
	b := make([]byte, blockSize)
	for i := p.gdt; i < p.gdt+p.reserved; i++ {
		le.PutUint32(b[4*(i%pointers):], 1+i)
	}
	return b
}

// reservedDescriptors encodes the reserved blocks of group 0.
func (p *plan) reservedDescriptors() []byte {
	b := make([]byte, p.reserved*blockSize)
	backups := p.backupGroups()
	for i := range p.reserved {
		for j, g := range backups {
			le.PutUint32(b[i*blockSize+4*uint32(j):], g*blocksPerGroup+1+p.gdt+i)
		}
	}
	return b
}
