package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var le = binary.LittleEndian

const (
	superblockAt   = 1024
	superblockSize = 1024
	magic          = 0xef53
)

// incompatible are the features that a reader must know.
type incompatible uint32

const (
	fileType     incompatible = 0x2
	needsReplay  incompatible = 0x4
	extents      incompatible = 0x40
	wide         incompatible = 0x80 // 64bit
	multiMount   incompatible = 0x100
	flexGroups   incompatible = 0x200
	attrInodes   incompatible = 0x400
	checksumSeed incompatible = 0x2000
	largeDirs    incompatible = 0x4000

	known = fileType | needsReplay | extents | wide | multiMount | flexGroups | attrInodes | checksumSeed | largeDirs
)

// fileSystem is what the superblock and the group descriptors say.
type fileSystem struct {
	image     io.ReaderAt
	offset    int64 // in the image
	blockSize int64
	blocks    uint64
	inodes    uint32
	perGroup  uint32 // inodes
	inodeSize int64
	tables    []uint64 // the first block of each group's inodes
}

func open(image io.ReaderAt, offset, size int64) (*fileSystem, error) {
	sb := make([]byte, superblockSize)
	if _, err := image.ReadAt(sb, offset+superblockAt); err != nil {
		return nil, fmt.Errorf("superblock: %w", err)
	}
	if le.Uint16(sb[0x38:]) != magic {
		return nil, errors.New("no ext4 file system")
	}
	features := incompatible(le.Uint32(sb[0x60:]))
	switch {
	case features&^known != 0:
		return nil, fmt.Errorf("incompatible features %#x are not supported", uint32(features&^known))
	case features&needsReplay != 0:
		return nil, errors.New("it was not unmounted: its journal needs replaying; mount it once, or run e2fsck")
	case le.Uint32(sb[0x18:]) > 6:
		return nil, fmt.Errorf("block size 2^%d KiB", le.Uint32(sb[0x18:]))
	}
	fs := &fileSystem{
		image:     image,
		offset:    offset,
		blockSize: 1024 << le.Uint32(sb[0x18:]),
		blocks:    uint64(le.Uint32(sb[0x4:])),
		inodes:    le.Uint32(sb[0:]),
		perGroup:  le.Uint32(sb[0x28:]),
		inodeSize: int64(le.Uint16(sb[0x58:])),
	}
	descriptor := int64(32)
	if features&wide != 0 {
		fs.blocks |= uint64(le.Uint32(sb[0x150:])) << 32
		descriptor = int64(le.Uint16(sb[0xfe:]))
	}
	if fs.blocks > uint64(size/fs.blockSize) {
		return nil, fmt.Errorf("%d blocks of %d bytes do not fit in %d bytes", fs.blocks, fs.blockSize, size)
	}
	if fs.perGroup == 0 || fs.inodeSize < 128 || fs.inodeSize > fs.blockSize || descriptor < 32 {
		return nil, errors.New("the superblock contradicts itself")
	}
	return fs, fs.readTables(int64(le.Uint32(sb[0x14:]))+1, descriptor)
}

// readTables reads the group descriptors, which begin with a block.
func (fs *fileSystem) readTables(block, size int64) error {
	groups := (int64(fs.inodes) + int64(fs.perGroup) - 1) / int64(fs.perGroup)
	if uint64(groups*size/fs.blockSize) >= fs.blocks {
		return errors.New("the superblock contradicts itself")
	}
	all := make([]byte, groups*size)
	if _, err := fs.image.ReadAt(all, fs.at(uint64(block))); err != nil {
		return fmt.Errorf("group descriptors: %w", err)
	}
	for d := all; len(d) > 0; d = d[size:] {
		table := uint64(le.Uint32(d[0x8:]))
		if size >= 64 {
			table |= uint64(le.Uint32(d[0x28:])) << 32
		}
		if table >= fs.blocks {
			return fmt.Errorf("inodes at block %d of %d", table, fs.blocks)
		}
		fs.tables = append(fs.tables, table)
	}
	return nil
}

// at is the place of a block in the image.
func (fs *fileSystem) at(block uint64) int64 { return fs.offset + int64(block)*fs.blockSize }

func (fs *fileSystem) block(number uint64) ([]byte, error) {
	if number >= fs.blocks {
		return nil, fmt.Errorf("block %d of %d", number, fs.blocks)
	}
	b := make([]byte, fs.blockSize)
	if _, err := fs.image.ReadAt(b, fs.at(number)); err != nil {
		return nil, fmt.Errorf("block %d: %w", number, err)
	}
	return b, nil
}
