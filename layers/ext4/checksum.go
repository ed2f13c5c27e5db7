package ext4

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c continues a checksum as the kernel does: without the initial and final inversion of the usual definition.
func crc32c(seed uint32, data ...[]byte) uint32 {
	crc := ^seed
	for _, d := range data {
		crc = crc32.Update(crc, castagnoli, d)
	}
	return ^crc
}

// inodeSeed seeds the checksums of an inode, its directory blocks and its extent blocks. The generation is always zero.
func inodeSeed(fs uint32, inode uint32) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:], inode)
	return crc32c(fs, b[:])
}
