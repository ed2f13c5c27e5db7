package ext4

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c continues a checksum as the kernel does: without the inversions of the usual definition.
func crc32c(seed uint32, data ...[]byte) uint32 {
	crc := ^seed
	for _, d := range data {
		crc = crc32.Update(crc, castagnoli, d)
	}
	return ^crc
}

// inodeSeed starts the checksums of all that belongs to an inode: the inode itself, its directory blocks and extent
// blocks. The generation is always zero.
func inodeSeed(fs uint32, inode uint32) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:], inode)
	return crc32c(fs, b[:])
}

// encode appends a structure as it lies on disk, little-endian.
func encode(b []byte, v any) []byte {
	b, err := binary.Append(b, binary.LittleEndian, v)
	if err != nil {
		panic(err) // only a structure without a fixed size: a mistake in this package
	}
	return b
}

func lo16(v uint32) uint16 { return uint16(v) }
func hi16(v uint32) uint16 { return uint16(v >> 16) }
func lo32(v uint64) uint32 { return uint32(v) }
func hi32(v uint64) uint32 { return uint32(v >> 32) }

// ceil is n divided by d, rounded up.
func ceil[T int | int64 | uint32 | uint64](n, d T) T { return (n + d - 1) / d }
