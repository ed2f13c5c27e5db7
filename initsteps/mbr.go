package initsteps

import (
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	sectorSize = 512
	growAlign  = 4 << 20 // partitions end at a multiple of this many bytes, as the erase blocks of SD cards do
	mbrEntries = 446     // offset of the first of four
	mbrEntry   = 16      // size of one
	mbrLimit   = 1 << 32 // number of sectors that an entry can address
)

// slot is an entry of an MBR. Start and size are in sectors.
type slot struct {
	active, kind byte
	start, size  uint32
}

func (s slot) end() uint64 { return uint64(s.start) + uint64(s.size) }

// slots returns the entries of an MBR; nil if the sector is not an MBR or protects a GPT.
func slots(sector []byte) []slot {
	if len(sector) != sectorSize || sector[510] != 0x55 || sector[511] != 0xaa {
		return nil
	}
	var list []slot
	for i := range 4 {
		e := sector[mbrEntries+i*mbrEntry:]
		s := slot{e[0], e[4], binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:])}
		if s.active&0x7f != 0 || s.kind == 0xee {
			return nil
		}
		list = append(list, s)
	}
	return list
}

// extend returns the first sector of a disk with the partition extended to the end, and the new size of the partition in
// bytes. It returns a Skip with the reason if the partition cannot be extended.
func extend(sector []byte, d BlockDevice) (extended []byte, size int64, err error) {
	all := slots(sector)
	if all == nil {
		return nil, 0, Skip(fmt.Sprintf("%s has no MBR partition table", d.Disk))
	}
	if d.Partition > len(all) {
		return nil, 0, Skip(fmt.Sprintf("%s is a logical partition", d.Name))
	}
	own := all[d.Partition-1]
	if own.kind == 0 || int64(own.start)*sectorSize != d.Start {
		return nil, 0, Skip(fmt.Sprintf("%s starts elsewhere than in the partition table of %s", d.Name, d.Disk))
	}
	for i, other := range all {
		if other.kind != 0 && other.size > 0 && i != d.Partition-1 && other.end() > uint64(own.start) {
			return nil, 0, Skip(fmt.Sprintf("%s is not the last partition of %s", d.Name, d.Disk))
		}
	}
	disk := uint64(d.DiskSize / sectorSize)
	if own.end() > disk {
		return nil, 0, Skip(fmt.Sprintf("%s ends after %s: its partition table is that of a larger disk", d.Name, d.Disk))
	}
	if end := min(disk, mbrLimit-1) / (growAlign / sectorSize) * (growAlign / sectorSize); end > own.end() {
		own.size = uint32(end - uint64(own.start))
		sector = slices.Clone(sector)
		e := sector[mbrEntries+(d.Partition-1)*mbrEntry:]
		copy(e[5:], "\xfe\xff\xff") // the end cannot be expressed as cylinder, head and sector
		binary.LittleEndian.PutUint32(e[12:], own.size)
	}
	return sector, int64(own.size) * sectorSize, nil
}
