package ext4

import "io"

// Usage is the space that the superblock of a file system reports. Sizes are in bytes.
type Usage struct {
	UUID       [16]byte
	Size       int64
	Free       int64 // including Reserved
	Reserved   int64 // for root alone
	Inodes     uint32
	FreeInodes uint32
	Features   []string // as dumpe2fs names them
}

// ReadUsage reads the superblock of a file system that begins at an offset in bytes.
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
