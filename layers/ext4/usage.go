package ext4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Usage is what the superblock of an ext4 file system says of its room. Sizes are in bytes.
type Usage struct {
	UUID       [16]byte
	Size       int64
	Free       int64 // for all
	Reserved   int64 // of the free bytes, for root alone
	Inodes     uint32
	FreeInodes uint32
}

// ReadUsage reads the superblock of a file system that begins at an offset.
func ReadUsage(r io.ReaderAt, offset int64) (Usage, error) {
	var sb superblock
	b := make([]byte, binary.Size(sb))
	if _, err := r.ReadAt(b, offset+1024); err != nil {
		return Usage{}, fmt.Errorf("read ext4 superblock: %w", err)
	}
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, &sb); err != nil {
		return Usage{}, fmt.Errorf("read ext4 superblock: %w", err)
	}
	if sb.Magic != superMagic {
		return Usage{}, fmt.Errorf("no ext4 superblock at %d: its magic number is %#x", offset+1024, sb.Magic)
	}
	size := func(low, high uint32) int64 { return (int64(high)<<32 | int64(low)) << (10 + sb.LogBlockSize) }
	return Usage{
		UUID:       sb.UUID,
		Size:       size(sb.BlocksCountLo, sb.BlocksCountHi),
		Free:       size(sb.FreeBlocksCountLo, sb.FreeBlocksCountHi),
		Reserved:   size(sb.RBlocksCountLo, sb.RBlocksCountHi),
		Inodes:     sb.InodesCount,
		FreeInodes: sb.FreeInodesCount,
	}, nil
}
