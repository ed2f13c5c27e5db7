package disk

import (
	"encoding/binary"
	"fmt"
)

// mbrType returns the type of a partition in an MBR: FAT32 with LBA, or Linux.
func (f Format) mbrType() byte {
	if f == FAT32 {
		return 0x0c
	}
	return 0x83
}

const (
	sector          = 512
	signatureOffset = 440 // of the disk signature in the MBR
	entriesOffset   = 446
	entrySize       = 16
	maxPartitions   = 4
)

// encodeMBR returns the first block of a disk: the partition table, and zeroes.
func encodeMBR(signature uint32, parts []*partition) ([]byte, error) {
	if len(parts) > maxPartitions {
		return nil, fmt.Errorf("disk has %d partitions, and an MBR has room for %d", len(parts), maxPartitions)
	}
	b := make([]byte, blockSize)
	binary.LittleEndian.PutUint32(b[signatureOffset:], signature)
	for i, p := range parts {
		if p.start%sector != 0 || p.size%sector != 0 || p.end()/sector > 1<<32-1 {
			return nil, fmt.Errorf("partition %d of %d bytes at byte %d ends beyond 2 TiB, the limit of an MBR", i+1, p.size, p.start)
		}
		e := b[entriesOffset+i*entrySize:]
		// Both ends are out of reach of cylinders, heads and sectors, as every tool writes them today.
		copy(e, []byte{0, 0xfe, 0xff, 0xff, p.Format.mbrType(), 0xfe, 0xff, 0xff})
		binary.LittleEndian.PutUint32(e[8:], uint32(p.start/sector))
		binary.LittleEndian.PutUint32(e[12:], uint32(p.size/sector))
	}
	copy(b[sector-2:], "\x55\xaa")
	return b, nil
}
