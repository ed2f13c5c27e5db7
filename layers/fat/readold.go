package fat

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// oldVolume is what a FAT12 or FAT16 has in other places than a FAT32.
type oldVolume struct {
	entries []uint32 // of the FAT, as a FAT32 would have them
	rootAt  int64    // offset of the root directory
}

// ReadAny reads a FAT12, FAT16 or FAT32 file system like Read, and returns its width: 12, 16 or 32.
func ReadAny(ctx context.Context, r io.ReaderAt, offset, size int64) (t *tree.Tree, width int, err error) {
	var boot bootSector
	b := make([]byte, sectorSize)
	v := &volume{r: r, start: offset}
	if err := v.read(b, 0); err != nil {
		return nil, 0, fmt.Errorf("read boot sector: %w", err)
	}
	decode(b, &boot)
	width = 32
	if boot.FATSectors16 == 0 || boot.RootEntries16 == 0 || binary.LittleEndian.Uint16(b[sectorSize-2:]) != bootSignature {
		t, err = Read(ctx, r, offset, size)
		return t, width, err
	}
	if v, width, err = openOld(&boot, r, offset, size); err != nil {
		return nil, 0, err
	}
	t, err = v.files(ctx)
	return t, width, err
}

// openOld reads the FAT of a FAT12 or FAT16.
func openOld(boot *bootSector, r io.ReaderAt, start, size int64) (*volume, int, error) {
	old := *boot
	old.FATSectors16, old.RootEntries16, old.FATSectors, old.Sectors = 0, 0, 1, 1
	if err := old.check(bootSignature); err != nil {
		return nil, 0, err
	}
	sector := int64(boot.BytesPerSector)
	v := &volume{r: r, start: start}
	v.cluster, v.copies = int64(boot.SectorsPerCluster)*sector, int64(boot.FATs)
	v.reserved, v.fat = int64(boot.ReservedSectors)*sector, int64(boot.FATSectors16)*sector
	v.size = int64(boot.Sectors) * sector
	if boot.Sectors16 != 0 {
		v.size = int64(boot.Sectors16) * sector
	}
	v.old = &oldVolume{rootAt: v.data()}
	v.root = roundUp(int64(boot.RootEntries16)*entrySize, sector)
	if v.size > size {
		return nil, 0, fmt.Errorf("file system of %d bytes is larger than its partition of %d", v.size, size)
	}
	width := 16
	if boot.oldType() == "FAT12" {
		width = 12
	}
	clusters := (v.size - v.data()) / v.cluster
	if clusters <= 0 || clusters >= minClusters || (clusters+firstData)*int64(width) > v.fat*8 {
		return nil, 0, fmt.Errorf("FAT of %d bytes has no room for %d clusters", v.fat, clusters)
	}
	v.clusters = uint32(clusters)
	v.used = make(bitmap, (v.clusters+firstData)/64+1)
	table := make([]byte, (clusters+firstData)*int64(width)/8+2)
	if err := v.read(table[:len(table)-1], v.reserved); err != nil {
		return nil, 0, fmt.Errorf("read FAT: %w", err)
	}
	v.old.entries = make([]uint32, clusters+firstData)
	for i := range v.old.entries {
		v.old.entries[i] = oldEntry(table, i, width)
	}
	return v, width, nil
}

// oldEntry returns an entry of a FAT12 or FAT16 with the value that it has in a FAT32.
func oldEntry(table []byte, i, width int) uint32 {
	if width == 16 {
		value := uint32(binary.LittleEndian.Uint16(table[2*i:]))
		if value >= fatBad&0xffff {
			value |= fatMask &^ 0xffff
		}
		return value
	}
	value := uint32(binary.LittleEndian.Uint16(table[i+i/2:]))
	if value >>= 4 * (i % 2); value&0xfff >= fatBad&0xfff {
		return value&0xfff | fatMask&^0xfff
	}
	return value & 0xfff
}

// oldRoot reads the root directory of a FAT12 or FAT16.
func (v *volume) oldRoot() ([]namedEntry, error) {
	data := make([]byte, v.root)
	if err := v.read(data, v.old.rootAt); err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	return parseDirectory(data)
}

// first returns the first cluster of a file. FAT12 and FAT16 use the upper half of the number otherwise.
func (v *volume) first(e namedEntry) uint32 {
	if v.old != nil {
		return uint32(e.ClusterLow)
	}
	return e.cluster()
}

// Detect reports whether a FAT12, FAT16 or FAT32 file system starts at an offset of r in bytes; false if r cannot be read
// there.
func Detect(r io.ReaderAt, offset int64) bool {
	var boot bootSector
	b := make([]byte, sectorSize)
	if n, _ := r.ReadAt(b, offset); n < len(b) {
		return false
	}
	decode(b, &boot)
	old := boot.FATSectors16 != 0
	if old {
		boot.FATSectors16, boot.RootEntries16, boot.FATSectors, boot.Sectors = 0, 0, 1, 1
	}
	return boot.check(binary.LittleEndian.Uint16(b[sectorSize-2:])) == nil
}
