package ext4

const (
	orphanMagic     = 0x0b10ca04
	orphanTail      = 8
	minOrphanBlocks = 32
	maxOrphanBlocks = 512
)

// orphanBlocks returns the size that mke2fs gives an orphan file, in blocks.
func orphanBlocks(blocks uint64) uint64 {
	return min(max(blocks/4096, minOrphanBlocks), maxOrphanBlocks)
}

// orphanFile encodes an orphan file without orphans: blocks of zeroes, each with a checksum over its block number.
// https://docs.kernel.org/filesystems/ext4/orphan.html
func (p *plan) orphanFile() []byte {
	in := p.inodes[p.orphanInode]
	b := make([]byte, in.size)
	seed := inodeSeed(p.seed, p.orphanInode)
	for _, e := range in.extents {
		for i := range e.length {
			block := b[(e.logical+i)*blockSize:][:blockSize]
			number := le.AppendUint64(nil, e.start+uint64(i))
			le.PutUint32(block[blockSize-8:], orphanMagic)
			le.PutUint32(block[blockSize-4:], crc32c(seed, number, block[:blockSize-orphanTail]))
		}
	}
	return b
}
