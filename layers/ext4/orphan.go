package ext4

import "encoding/binary"

const (
	orphanMagic     = 0x0b10ca04
	orphanTail      = 8
	minOrphanBlocks = 32
	maxOrphanBlocks = 512
)

// orphanBlocks is the size of the orphan file that mke2fs picks.
func orphanBlocks(blocks uint64) uint64 {
	return min(max(blocks/4096, minOrphanBlocks), maxOrphanBlocks)
}

// orphanFile is one without orphans: blocks of zeroes, each with a checksum that depends on where it lies.
// https://docs.kernel.org/filesystems/ext4/orphan.html
func (p *plan) orphanFile() []byte {
	in := p.inodes[p.orphanInode]
	b := make([]byte, in.size)
	seed := inodeSeed(p.seed, p.orphanInode)
	for _, e := range in.extents {
		for i := range e.length {
			block := b[(e.logical+i)*blockSize:][:blockSize]
			number := binary.LittleEndian.AppendUint64(nil, e.start+uint64(i))
			binary.LittleEndian.PutUint32(block[blockSize-8:], orphanMagic)
			binary.LittleEndian.PutUint32(block[blockSize-4:], crc32c(seed, number, block[:blockSize-orphanTail]))
		}
	}
	return b
}
