package ext4

import "io"

// Usage is the size, the free space in bytes and the number of inodes in an ext4 superblock.
type Usage struct {
	UUID       [16]byte
	Size       int64
	Free       int64 // including Reserved
	Reserved   int64 // for root alone
	Inodes     uint32
	FreeInodes uint32
	Features   []string // as dumpe2fs names them
}

// ReadUsage reads size, free space and inode counts from the ext4 superblock of the file system at an offset of r in
// bytes.
func ReadUsage(r io.ReaderAt, offset int64) (Usage, error) {
	sb, err := readSuperblock(r, offset)
	if err != nil {
		return Usage{}, err
	}
	bytes := func(lo, hi uint32) int64 { return int64(join(lo, hi)) * sb.blockSize() }
	return Usage{
		UUID:       sb.UUID,
		Size:       bytes(sb.BlocksCountLo, sb.BlocksCountHi),
		Free:       bytes(sb.FreeBlocksCountLo, sb.FreeBlocksCountHi),
		Reserved:   bytes(sb.RBlocksCountLo, sb.RBlocksCountHi),
		Inodes:     sb.InodesCount,
		FreeInodes: sb.FreeInodesCount,
		Features:   sb.features(),
	}, nil
}
