package initsteps

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// fatSize describes the size of a FAT32 file system. Sizes are in bytes.
type fatSize struct {
	sector, cluster int64
	reserved        int64 // before the first FAT
	fats            int64
	fat             int64 // size of each FAT
	size            int64 // of the file system
	info, backup    int64 // offsets of FSInfo and of the copy of the boot sector; 0 if there is none
}

// Offsets in the boot sector and in FSInfo; see "FAT32 File System Specification", 1.03.
const (
	fatSectors     = 32 // of the number of sectors
	infoFree       = 488
	infoUnknown    = 0xffffffff // number of free clusters: the kernel counts them
	firstCluster   = 2
	maxFATClusters = 0x0ffffff5
	zeroAtATime    = 1 << 20
)

// parseFAT reads the boot sector of a FAT32 file system; ok is false if it is not one.
func parseFAT(b []byte) (f fatSize, ok bool) {
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(b[at:])) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	f = fatSize{sector: u16(11), cluster: int64(b[13]), reserved: u16(14), fats: int64(b[16]), fat: u32(36), size: u32(fatSectors), info: u16(48), backup: u16(50)}
	if u16(510) != 0xaa55 || !bytes.HasPrefix(b[82:], []byte("FAT32   ")) || u16(22) != 0 ||
		f.sector < sectorSize || f.cluster == 0 || f.fats == 0 || f.reserved == 0 || f.fat == 0 {
		return f, false
	}
	for _, field := range []*int64{&f.cluster, &f.reserved, &f.fat, &f.size, &f.info, &f.backup} {
		*field *= f.sector
	}
	if f.info+f.backup+f.sector > f.reserved {
		f.info, f.backup = 0, 0 // 0xffff stands for none
	}
	return f, f.size > f.data()
}

// data is the offset of the first cluster.
func (f fatSize) data() int64 { return f.reserved + f.fats*f.fat }

// clusters is the number of clusters of a file system of a size, as far as the FATs have entries.
func (f fatSize) clusters(size int64) int64 {
	return min((size-f.data())/f.cluster, f.fat/4-firstCluster, maxFATClusters)
}

// growFAT grows a FAT32 file system that is not mounted to the size of its device, or as far as its FATs have room.
//
// The new entries of the FATs become zero first. The number of sectors in the boot sector, which is one write of one
// sector, then makes them valid: a power cut leaves the old size or the new one, and the next boot goes on.
func (b *Boot) growFAT(d BlockDevice, f fatSize, boot []byte) error {
	old, clusters := f.clusters(f.size), f.clusters(d.Size)
	if clusters <= old {
		return Skip(fmt.Sprintf("the file system fills %s, or its FATs", d.Name))
	}
	mounts, err := b.MountInfo()
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if m.Source == d.Name {
			return Skip(fmt.Sprintf("%s is mounted at %s", d.Name, m.Mountpoint))
		}
	}
	for i := range f.fats {
		start := f.reserved + i*f.fat
		if err := b.clearDevice(d.Name, start+4*(firstCluster+old), start+4*(firstCluster+clusters)); err != nil {
			return err
		}
	}
	if f.info > 0 {
		unknown := binary.LittleEndian.AppendUint32(nil, infoUnknown)
		for _, at := range []int64{f.info, f.backup + f.info} {
			if err := b.WriteDevice(d.Name, at+infoFree, unknown); err != nil {
				return err
			}
		}
	}
	binary.LittleEndian.PutUint32(boot[fatSectors:], uint32((f.data()+clusters*f.cluster)/f.sector))
	if f.backup > 0 {
		if err := b.WriteDevice(d.Name, f.backup, boot); err != nil {
			return err
		}
	}
	return b.WriteDevice(d.Name, 0, boot)
}

// clearDevice writes zeroes to a part of a device.
func (b *Boot) clearDevice(name string, start, end int64) error {
	for ; start < end; start += zeroAtATime {
		if err := b.WriteDevice(name, start, make([]byte, min(zeroAtATime, end-start))); err != nil {
			return err
		}
	}
	return nil
}
